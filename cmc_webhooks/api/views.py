"""The history for programs: read-only, and closed to users without the view permission.

Whatever decides who sees what is named here; authentication, throttles and renderers are the project's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import permissions, routers, viewsets

from cmc_webhooks.api import filters, pagination, serializers
from cmc_webhooks.api.permissions import MayView
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from rest_framework.serializers import BaseSerializer

__all__ = ["BounceEventViewSet", "DeliveryEventViewSet", "HistoryRootView", "MailViewSet"]


class HistoryRootView(routers.APIRootView):
    """The history of mails that were sent through Customers Mail Cloud."""

    permission_classes = [permissions.IsAuthenticated]


class HistoryViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """What all lists and details have in common."""

    permission_classes = [MayView]
    filter_backends = [filters.FilterBackend]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Query strings are UTF-8; Django reads them in whatever charset a GET's header names, even utf-7.
        request.encoding = "utf-8"
        return super().dispatch(request, *args, **kwargs)


class MailViewSet(HistoryViewSet):
    """Mails, one for each message and recipient, and where each stands; a mail alone has its time line."""

    queryset = Mail.objects.all()
    serializer_class = serializers.MailSerializer
    filterset_class = filters.MailFilter
    pagination_class = pagination.MailPagination

    def get_serializer_class(self) -> type[BaseSerializer[Mail]]:
        return serializers.MailDetailSerializer if self.detail else serializers.MailSerializer


class DeliveryEventViewSet(HistoryViewSet):
    """Deliveries: queued, deferred, handed over, refused."""

    queryset = DeliveryEvent.objects.select_related("mail")
    serializer_class = serializers.DeliveryEventSerializer
    filterset_class = filters.DeliveryEventFilter
    pagination_class = pagination.EventPagination


class BounceEventViewSet(HistoryViewSet):
    """Bounces: errors told by a server or a returned mail, even after the mail was handed over."""

    queryset = BounceEvent.objects.select_related("mail")
    serializer_class = serializers.BounceEventSerializer
    filterset_class = filters.BounceEventFilter
    pagination_class = pagination.EventPagination
