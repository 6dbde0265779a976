"""Who may read: holders of the model's view permission, whatever the method and the project's default."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_permission_codename
from django.db import DataError
from django.utils.module_loading import import_string
from rest_framework import exceptions, permissions, views

from cmc_webhooks.conf import app_settings

if TYPE_CHECKING:
    from rest_framework.request import Request

__all__ = ["HistoryView", "MayView", "chosen"]


def chosen() -> list[Any]:
    """The permission classes of every view but the index: `CMC_WEBHOOKS_API_PERMISSIONS`, dotted paths.

    None at all would open the API to everybody: `MayView` is asked then.
    """
    return [import_string(path) for path in app_settings.api_permissions] or [MayView]


class HistoryView(views.APIView):
    """A view of this API, whoever its project lets in."""

    versioning_class = None  # this API has one version, whatever the project's have

    def get_authenticators(self) -> list[Any]:
        """The project's; to them a name that no database can look for, such as a NUL, is a wrong one."""
        authenticators: list[Any] = super().get_authenticators()
        for each in authenticators:
            each.authenticate = partial(_authenticate, each.authenticate)
        return authenticators


def _authenticate(authenticate: Any, request: Request) -> Any:
    try:
        return authenticate(request)
    except DataError:
        raise exceptions.AuthenticationFailed from None


class MayView(permissions.BasePermission):
    """Lets in signed-in users with the view permission of the view's model: `cmc_webhooks.view_mail`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        meta = view.queryset.model._meta
        permission = f"{meta.app_label}.{get_permission_codename('view', meta)}"
        return bool(user and user.is_authenticated and user.has_perm(permission))
