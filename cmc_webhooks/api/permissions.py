"""Who may read: holders of the model's view permission, whatever the method and the project's default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_permission_codename
from django.utils.module_loading import import_string
from rest_framework import permissions

from cmc_webhooks.conf import app_settings

if TYPE_CHECKING:
    from rest_framework.request import Request

__all__ = ["MayView", "chosen"]


def chosen() -> list[Any]:
    """The permission classes of every view but the index: `CMC_WEBHOOKS_API_PERMISSIONS`, dotted paths.

    None at all would open the API to everybody: `MayView` is asked then.
    """
    return [import_string(path) for path in app_settings.api_permissions] or [MayView]


class MayView(permissions.BasePermission):
    """Lets in signed-in users with the view permission of the view's model: `cmc_webhooks.view_mail`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        meta = view.queryset.model._meta
        permission = f"{meta.app_label}.{get_permission_codename('view', meta)}"
        return bool(user and user.is_authenticated and user.has_perm(permission))
