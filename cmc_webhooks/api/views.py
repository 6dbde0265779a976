"""The history for programs: read-only, and closed to users without the view permission.

Whatever decides who sees what is named here; authentication, throttles and renderers are the project's.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from rest_framework import routers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from cmc_webhooks import figures, store, streams, suppression
from cmc_webhooks.api import filters, pagination, permissions, refusals, renderers, serializers
from cmc_webhooks.api.schema import HistorySchema, StatisticsSchema
from cmc_webhooks.models import (
    BlockEvent,
    BounceEvent,
    DeliveryEvent,
    Mail,
    Notification,
    RejectedEvent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request
    from rest_framework.serializers import BaseSerializer

__all__ = [
    "AddressViewSet",
    "BlockEventViewSet",
    "BounceEventViewSet",
    "DeliveryEventViewSet",
    "HistoryRootView",
    "MailViewSet",
    "NotificationViewSet",
    "RejectedEventViewSet",
    "StatisticsViewSet",
]


class HistoryRootView(permissions.HistoryView, routers.APIRootView):
    """The history of mails that were sent through Customers Mail Cloud."""

    schema = None  # an index of addresses, not a part of what is described
    permission_classes = [IsAuthenticated]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The addresses of the lists, and of the statistics, which are no list of rows."""
        self.api_root_dict = {**(self.api_root_dict or {}), "stats": "stats"}
        return super().get(request, *args, **kwargs)


class HistoryViewSet(permissions.HistoryView, viewsets.ReadOnlyModelViewSet[Any]):
    """What all lists and details have in common."""

    schema = HistorySchema()
    permission_classes = [permissions.MayView]
    filter_backends = [filters.FilterBackend]
    lookup_value_regex = r"[\s\S]+"  # what is no key is refused here, and not by Django's page

    def get_permissions(self) -> list[Any]:
        """Those above, or what the project chose for this API; never its default for all of its views."""
        return [permission() for permission in permissions.chosen()]

    def get_renderers(self) -> list[Any]:
        """The project's, and behind them for lists those that stream."""
        streaming = [] if self.detail else [renderers.CsvRenderer(), renderers.JsonLinesRenderer()]
        return [*super().get_renderers(), *streaming]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        # A page; as CSV or JSON Lines all rows from there on.
        renderer = request.accepted_renderer
        if not isinstance(renderer, renderers.StreamingRenderer):
            return super().list(request, *args, **kwargs)
        paginator: Any = self.paginator
        pages = paginator.walk(self.filter_queryset(self.get_queryset()), request)
        serializer: Any = self.get_serializer()
        rows = (serializer.to_representation(row) for page in pages for row in page)
        return self.download(request, rows, serializer.fields)

    def download(self, request: Request, rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Any:
        """These rows as a file, each a mapping by these names."""
        renderer: Any = request.accepted_renderer
        return streams.download(
            request._request,
            renderer.stream(rows, names),
            content_type=renderer.media_type,
            filename=f"{self.basename}.{renderer.format}",
        )

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        # One row, with an ETag of all that is told of it: 304 to those who have it already.
        response = super().retrieve(request, *args, **kwargs)
        if request.accepted_renderer.format == "api":  # a page for people, with their name on it
            return response
        told = [request.accepted_media_type, response.data]  # each form has a tag of its own
        text = json.dumps(told, cls=JSONEncoder, sort_keys=True)
        etag = quote_etag(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
        return get_conditional_response(request._request, etag=etag, response=_tagged(response, etag))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        # A refusal is JSON, whatever a list was asked for as; what is told of people is in no shared cache.
        if isinstance(getattr(request, "accepted_renderer", None), renderers.StreamingRenderer):
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_cache_control(response, private=True, no_cache=True)
        return response

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Query strings are UTF-8; Django reads them in whatever charset a GET's header names, even utf-7.
        request.encoding = "utf-8"
        return super().dispatch(request, *args, **kwargs)


def _tagged(response: Response, etag: str) -> Response:
    response["ETag"] = etag
    return response


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


class BlockEventViewSet(HistoryViewSet):
    """Operations on CMC's list of blocked addresses (Pro plan)."""

    queryset = BlockEvent.objects.all()
    serializer_class = serializers.BlockEventSerializer
    filterset_class = filters.BlockEventFilter
    pagination_class = pagination.EventPagination


class NotificationViewSet(HistoryViewSet):
    """What came in: POSTs that were answered 200 and what was fetched, as counts."""

    queryset = Notification.objects.all()
    serializer_class = serializers.NotificationSerializer
    filterset_class = filters.NotificationFilter
    pagination_class = pagination.NotificationPagination


class RejectedEventViewSet(HistoryViewSet):
    """Events that could not be stored, as they were sent."""

    queryset = RejectedEvent.objects.all()
    serializer_class = serializers.RejectedEventSerializer
    filterset_class = filters.RejectedEventFilter
    pagination_class = pagination.RejectedEventPagination


class AddressViewSet(HistoryViewSet):
    """An address: whether one may send to it, and how the latest mails to it ended."""

    queryset = Mail.objects.all()  # whose view permission is asked
    serializer_class = serializers.AddressSerializer
    pagination_class = None

    def get_object(self) -> suppression.Address:
        # An address that no mail went to is known as well: nothing forbids it
        self.filter_queryset(self.get_queryset())
        found = suppression.look_up(self.kwargs["address"])
        if not found.address:
            raise Http404
        self.check_object_permissions(self.request, found)
        return found


class StatisticsViewSet(HistoryViewSet):
    """How many mails stand where, from the counts that are kept by day; nothing is counted for it."""

    schema = StatisticsSchema()
    queryset = Mail.objects.all()  # whose view permission is asked
    serializer_class = serializers.StatisticsSerializer
    query_class = serializers.StatisticsQuerySerializer
    filter_backends = []
    pagination_class = None

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """The sums by what `by` names, in its order."""
        given = {name: value for name, value in request.query_params.items() if value}
        query = self.query_class(data=given)
        refusals.refuse_unread(request, self, query.fields.keys())
        query.is_valid(raise_exception=True)
        chosen, by = query.chosen(), query.validated_data["by"]
        using = store.alias()
        count = figures.by_domain if "domain" in by else figures.by
        rows = count(using, chosen, by)
        if isinstance(request.accepted_renderer, renderers.StreamingRenderer):
            return self.download(request, rows, [*by, *(figures.OUTCOMES if "domain" in by else ("mails",))])
        return Response({"from": chosen.first, "to": chosen.last, "results": rows})
