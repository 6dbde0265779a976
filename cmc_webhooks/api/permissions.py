"""Who may read: holders of the model's view permission, whatever the method and the project's default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_permission_codename
from rest_framework import permissions

if TYPE_CHECKING:
    from rest_framework.request import Request

__all__ = ["MayView"]


class MayView(permissions.BasePermission):
    """Lets in signed-in users with the view permission of the view's model: `cmc_webhooks.view_mail`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        meta = view.queryset.model._meta
        permission = f"{meta.app_label}.{get_permission_codename('view', meta)}"
        return bool(user and user.is_authenticated and user.has_perm(permission))
