"""The change feed: `changes/`."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from cmc_webhooks import feed
from cmc_webhooks.api import feed_cursors, pagination, permissions, strict_params
from cmc_webhooks.api.descriptions import Words
from cmc_webhooks.api.schema import Described, HistorySchema
from cmc_webhooks.api.serializers import (
    LONGEST_TEXT,
    BlockEventSerializer,
    DecisionSerializer,
    MailSerializer,
)
from cmc_webhooks.api.views import HistoryViewSet
from cmc_webhooks.db import long_texts
from cmc_webhooks.models import BlockEvent, Change, Mail, Suppression, routing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    from django.db.models import Model
    from rest_framework.request import Request

__all__ = ["ChangeViewSet"]

_OF_MODEL = {Change.Kinds.BLOCK.value: BlockEvent, Change.Kinds.SUPPRESSION.value: Suppression}
"""The kinds that need the view permission of another model than `Mail`."""
_KINDS = ",".join(Change.Kinds.values)


class ChangedDecisionSerializer(DecisionSerializer):
    """A decision about an address as it is now."""

    class Meta(DecisionSerializer.Meta):
        fields = ("address", *DecisionSerializer.Meta.fields)  # type: ignore[assignment] # one longer
        read_only_fields = fields  # type: ignore[assignment] # one longer


class ChangeSerializer(Described, serializers.Serializer[Any]):
    """A change, with what changed as it is now. Where all of it is null, nothing with this key is left."""

    words = {
        "kind": Words(
            "CmcChangeKind",
            "What changed: a mail, a block event, a decision about an address, a mail whose personal data was"
            " erased, a mail or a block event that was deleted.",
            Change.Kinds.values,
        )
    }
    examples = {"kind": "mail", "mail": None}
    meanings = {
        "kind": "mail, block, suppression, erased or deleted.",
        "mail": "The mail as it is now; null if the change is about no mail, or if it was deleted.",
        "server_composition": "The server composition of what changed.",
    }

    seq = serializers.IntegerField(read_only=True)
    kind = serializers.CharField(read_only=True)
    key = serializers.UUIDField(read_only=True)
    server_composition = serializers.CharField(read_only=True)
    at = serializers.DateTimeField(read_only=True)
    mail = serializers.SerializerMethodField()
    block = serializers.SerializerMethodField()
    suppression = serializers.SerializerMethodField()

    @extend_schema_field(MailSerializer(allow_null=True))
    def get_mail(self, entry: feed.Entry) -> Any:
        return self._shown(MailSerializer, entry, Mail)

    @extend_schema_field(BlockEventSerializer(allow_null=True))
    def get_block(self, entry: feed.Entry) -> Any:
        return self._shown(BlockEventSerializer, entry, BlockEvent)

    @extend_schema_field(ChangedDecisionSerializer(allow_null=True))
    def get_suppression(self, entry: feed.Entry) -> Any:
        return self._shown(ChangedDecisionSerializer, entry, Suppression)

    def _shown(self, serializer: Any, entry: feed.Entry, model: type[Model]) -> Any:
        return serializer(entry.row).data if isinstance(entry.row, model) else None


class ChangesSerializer(Described, serializers.Serializer[Any]):
    """Changes in the order of their numbers."""

    meanings = {"results": "The changes after the cursor, in the order of their numbers."}

    results = ChangeSerializer(many=True, read_only=True)
    cursor = serializers.CharField(read_only=True)
    more = serializers.BooleanField(read_only=True)


class ChangeSchema(HistorySchema):
    """The schema of `changes/`."""

    def get_override_parameters(self) -> list[Any]:
        return [
            OpenApiParameter("after"),
            OpenApiParameter("kind__in", enum=Change.Kinds.values),
            OpenApiParameter("page_size", OpenApiTypes.INT),
            OpenApiParameter("If-None-Match", location=OpenApiParameter.HEADER),
        ]

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False

    def _has_etag(self) -> bool:
        return True


class ChangePagination(pagination.KeysetPagination):
    """The size of an answer: 200 changes unless asked, 1,000 at most."""

    page_size = 200
    max_page_size = 1000
    orders = {}
    query_params = frozenset({"after", "kind__in", "page_size"})  # type: ignore[assignment] # fixed here


class ChangeViewSet(HistoryViewSet):
    """What changed, for copies that miss nothing. The setting `CHANGE_FEED` turns it on."""

    schema = ChangeSchema()
    queryset = Mail.objects.all()  # whose view permission is required
    serializer_class = ChangesSerializer
    filter_backends = []
    pagination_class = ChangePagination
    refusals = {
        "list": {
            "404": "The project has no change feed, or no such format.",
            "410": "Changes behind the cursor are missing: take a new one and copy everything again.",
            "503": "The database is unavailable.",
        }
    }

    def get_renderers(self) -> list[Any]:
        """Return the project's renderers. There is no file: an answer has an end."""
        return permissions.HistoryView.get_renderers(self)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Return the changes after a cursor, each with what changed as it is now, and the cursor behind them.

        Without `after`, return no changes and the cursor at the end. A copy takes it, reads the lists, then
        follows from there. While nothing changes, the answer to `If-None-Match` is 304.

        Store what is there by its key, and delete by its key what is null, whatever the kind. Everyone who
        may view mails sees their changes; the others need the view permission of block events or
        suppressions.
        """
        paginator: Any = self.paginator
        strict_params.reject_unknown_params(request, self, paginator.query_params)
        size, kinds = paginator.get_page_size(request), self._kinds(request)
        after = strict_params.given(request).get("after", "")
        now = feed_cursors.state()
        if after:
            feed_cursors.cursor("after", after, now)
        etag = _etag(request, now, after or now.cursor, size, kinds)
        is_page = request.accepted_renderer.format == "api"  # an HTML page that shows the user's name
        if not is_page and (same := get_conditional_response(request._request, etag=etag)):
            return same
        load = partial(_load, _hidden_from(request))
        page = feed.read(after or now.cursor, limit=size, kinds=kinds, now=now, load=load)
        serialized = ChangeSerializer(page.entries, many=True, context=self.get_serializer_context())
        answer = Response({"results": serialized.data, "cursor": page.cursor, "more": page.more})
        if not is_page:
            answer["ETag"] = etag
        return answer

    def _kinds(self, request: Request) -> Collection[str]:
        """Return the kinds that are asked for and that the user may see."""
        words = strict_params.given(request).get("kind__in", _KINDS)
        kinds = words.split(",")
        if set(kinds) - set(Change.Kinds.values):
            allowed = f"Must be one or more of these, separated by commas: {', '.join(Change.Kinds.values)}."
            raise exceptions.ValidationError({"kind__in": [allowed]})
        hidden = _hidden_from(request)
        kinds = [kind for kind in kinds if _OF_MODEL.get(kind) not in hidden]
        if not kinds:
            raise exceptions.PermissionDenied
        return kinds


def _etag(request: Request, now: feed.State, after: str, size: int, kinds: Iterable[str]) -> str:
    """Return the tag of an answer: any change of a mail that it holds has a number, which moves the end."""
    parts = [request.accepted_media_type, now.cursor, after, str(size), *sorted(kinds)]
    return quote_etag(hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest())


def _hidden_from(request: Request) -> set[type[Model] | None]:
    """Return the models whose rows the user may not view, unless the project's own permissions decide."""
    if permissions.MayView not in permissions.chosen():
        return set()
    return {model for model in _OF_MODEL.values() if not permissions.holds(request, "view", model)}


def _load(hidden: Collection[type[Model] | None], model: type[Model], keys: Collection[UUID]) -> list[Any]:
    """Return the rows of a model by their keys, with texts over 10,000 characters cut.

    A deleted block event that CMC has sent again is a row of a model that may be `hidden`.
    """
    if model in hidden:
        return []
    rows = model._default_manager.using(routing.write_alias()).filter(pk__in=keys)
    texts = long_texts.LongTexts(rows, LONGEST_TEXT, json=True)
    found = list(texts.queryset)
    texts.fill(found)
    return found
