"""Permissions: users need the model's view permission to read, whatever the method and the project's default.

To decide about an address they need the permission of that action, whatever `API_PERMISSIONS` names.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_permission_codename
from django.db import DataError
from django.utils.module_loading import import_string
from rest_framework import exceptions, permissions, views

from cmc_webhooks import auth
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions

if TYPE_CHECKING:
    from django.db.models import Model
    from rest_framework.request import Request

__all__ = ["HistoryView", "MayDecide", "MayView", "chosen", "holds"]


def chosen() -> list[Any]:
    """Return the permission classes of every view but the index.

    `CMC_WEBHOOKS_API_PERMISSIONS` holds their dotted paths. An empty list would open the API to everyone, so
    it stands for `MayView`.
    """
    return [import_string(path) for path in app_settings.api_permissions] or [MayView]


class HistoryView(views.APIView):
    """The base of this API's views, whatever authentication the project uses."""

    versioning_class = None  # this API has one version, whatever versioning the project uses

    def get_authenticators(self) -> list[Any]:
        """Return the project's authenticators, with `DataError` turned into a failed authentication.

        Databases raise it for a user name that they cannot look up, such as a NUL.
        """
        authenticators: list[Any] = super().get_authenticators()
        for each in authenticators:
            each.authenticate = partial(_authenticate, each.authenticate)
        return authenticators


def _authenticate(authenticate: Any, request: Request) -> Any:
    try:
        with transactions.savepoints():
            return authenticate(request)
    except DataError:
        if transactions.is_broken():
            raise
        raise exceptions.AuthenticationFailed from None


class MayView(permissions.BasePermission):
    """Allows signed-in users with the view permission of the view's model (`cmc_webhooks.view_mail`)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return holds(request, "view", view.queryset.model)


class MayDecide(permissions.BasePermission):
    """Allows signed-in users with the model's permission that the view's action needs.

    `permissions_needed` of the view has the first word of its code name, such as `add`, by action.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        return holds(request, view.permissions_needed[view.action], view.queryset.model)


def holds(request: Request, word: str, model: type[Model]) -> bool:
    """Return whether the user is signed in and has a permission of the model, such as `view`."""
    user: Any = request.user
    meta = model._meta
    permission = f"{meta.app_label}.{get_permission_codename(word, meta)}"
    return bool(user and user.is_authenticated and auth.may(user, permission))
