"""The API: the history, which is read-only, and decisions about addresses. It is closed without permission.

Everything that decides who sees what is set here. Authentication, throttles and renderers are the project's.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from rest_framework import exceptions, routers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from cmc_webhooks import audit, downloads, suppression, wire
from cmc_webhooks.api import (
    filters,
    pagination,
    parsers,
    permissions,
    renderers,
    serializers,
    strict_params,
)
from cmc_webhooks.api.schema import AddressSchema, HistorySchema, StatisticsSchema, SuppressionSchema
from cmc_webhooks.api.serializers import LONGEST_TEXT
from cmc_webhooks.db import long_texts
from cmc_webhooks.models import (
    BlockEvent,
    BounceEvent,
    DeliveryEvent,
    Mail,
    Notification,
    RejectedEvent,
    Suppression,
    Trail,
    routing,
)
from cmc_webhooks.models.suppressions import DECIDED
from cmc_webhooks.statistics import reports
from cmc_webhooks.suppression import decisions, form_rules, lifting, lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request
    from rest_framework.serializers import BaseSerializer, Serializer

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
    "SuppressionViewSet",
]


class Conflict(exceptions.APIException):
    """Another person's decision would be replaced."""

    status_code = 409
    default_code = "conflict"


class CmcFailed(exceptions.APIException):
    """CMC's own API did not answer."""

    status_code = 502
    default_detail = "Customers Mail Cloud did not answer."
    default_code = "cmc_failed"


class HistoryRootView(permissions.HistoryView, routers.APIRootView):
    """The history of mails sent through Customers Mail Cloud."""

    schema = None  # an index of URLs, not part of the OpenAPI document
    permission_classes = [IsAuthenticated]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the URLs of the lists, and of those that are not a table's."""
        others = {"suppressions": "suppression-list", "changes": "change-list", "stats": "stats"}
        self.api_root_dict = {**(self.api_root_dict or {}), **others}
        return super().get(request, *args, **kwargs)


_POSTED = ("look_up", "create", "forget", "lift")
"""Actions with a body. Their answers are no lists that could be streamed."""


class HistoryViewSet(permissions.HistoryView, viewsets.ReadOnlyModelViewSet[Any]):
    """The base of all lists and details."""

    schema = HistorySchema()
    permission_classes = [permissions.MayView]
    filter_backends = [filters.FilterBackend]
    parser_classes = [parsers.BodyParser]
    is_personal = True
    """True if the rows hold personal data. A list of them as a file is then recorded, see `audit`."""
    lookup_value_regex = r"[\s\S]+"  # an invalid key is answered here, not by Django's 404 page

    def get_permissions(self) -> list[Any]:
        """Return the project's permissions for this API, or those above; never its default for all views."""
        return [permission() for permission in permissions.chosen()]

    def get_renderers(self) -> list[Any]:
        """Return the project's renderers, followed for lists by those that stream."""
        is_list = not self.detail and self.action not in _POSTED
        streaming = [renderers.CsvRenderer(), renderers.JsonLinesRenderer()] if is_list else []
        return [*super().get_renderers(), *streaming]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        # Return a page; as CSV or JSON Lines, the page and all rows after it.
        renderer = request.accepted_renderer
        if not isinstance(renderer, renderers.StreamingRenderer):
            return _conditional(request, super().list(request, *args, **kwargs))
        paginator: Any = self.paginator
        pages = paginator.walk(self.filter_queryset(self.get_queryset()), request)
        serializer: Any = self.get_serializer()
        serializer.fields.pop("truncated", None)  # files hold whole texts
        return self.download_recorded(request, serializer, chain.from_iterable(pages))

    def download_recorded(self, request: Request, serializer: Any, found: Iterable[Any]) -> Any:
        """Return these rows as a file, and record it if they hold personal data."""
        renderer: Any = request.accepted_renderer
        rows = map(serializer.to_representation, found)
        if not self.is_personal or request.method == "HEAD":
            return self.download(request, rows, serializer.fields)
        record = audit.begin(
            Trail.Actions.EXPORTED,
            audit.Actor(Trail.Ways.API, audit.user_key(request.user)),
            list=self.basename,
            filters=sorted(name for name, value in request.query_params.items() if value),
            format=renderer.format,
        )
        interrupted = partial(record.finish, is_complete=False)  # after the last row, it does nothing
        return self.download(request, record.counted(rows), serializer.fields, on_close=interrupted)

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return the rows of a page, with texts over 10,000 characters cut."""
        texts = long_texts.LongTexts(queryset, LONGEST_TEXT, json=True)
        rows = super().paginate_queryset(texts.queryset)
        texts.fill(rows or ())
        return rows

    def download(
        self,
        request: Request,
        rows: Iterable[Mapping[str, Any]],
        names: Iterable[str],
        on_close: Callable[[], Any] = lambda: None,
    ) -> Any:
        """Return these rows, which are mappings with `names` as keys, as a file."""
        renderer: Any = request.accepted_renderer
        return downloads.download(
            request._request,
            renderer.stream(rows, names),
            content_type=renderer.media_type,
            filename=f"{self.basename}.{renderer.format}",
            on_close=on_close,
        )

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        # Return one row
        return _conditional(request, super().retrieve(request, *args, **kwargs))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        # An error is JSON, whatever format of a list was requested. Shared caches keep no personal data.
        if isinstance(getattr(request, "accepted_renderer", None), renderers.StreamingRenderer):
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_cache_control(response, private=True, no_cache=True)
        return response

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Query strings are UTF-8. Django decodes them in the charset that a GET's header names, even utf-7.
        request.encoding = "utf-8"
        return super().dispatch(request, *args, **kwargs)


def _conditional(request: Request, response: Response) -> Any:
    """Return an answer with an ETag of the whole representation, or 304 if the client already has it."""
    if request.accepted_renderer.format == "api":  # an HTML page that shows the user's name
        return response
    parts = [request.accepted_media_type, response.data]  # each media type has a different tag
    text = json.dumps(parts, cls=JSONEncoder, sort_keys=True)
    response["ETag"] = quote_etag(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
    return get_conditional_response(request._request, etag=response["ETag"], response=response)


class MailViewSet(HistoryViewSet):
    """Mails, one for each message and recipient, with their status; a single mail also has its timeline."""

    queryset = Mail.objects.all()
    serializer_class = serializers.MailSerializer
    filterset_class = filters.MailFilter
    pagination_class = pagination.MailPagination
    refusals = {
        "list": {
            "404": "No such page or format, or no change feed for `changed_after`.",
            "410": "Changes behind the cursor of `changed_after` are missing.",
            "503": "The database is unavailable.",
        }
    }

    def get_serializer_class(self) -> type[BaseSerializer[Mail]]:
        return serializers.MailDetailSerializer if self.detail else serializers.MailSerializer


_SHOWN_OF_MAIL = ("id", "message_id", "recipient", "subject", "api_data", "server_composition")
_NOT_SHOWN_OF_MAIL = [
    f"mail__{field.name}" for field in Mail._meta.concrete_fields if field.name not in _SHOWN_OF_MAIL
]


class DeliveryEventViewSet(HistoryViewSet):
    """Delivery events: queued, deferred, handed over or failed."""

    queryset = DeliveryEvent.objects.select_related("mail").defer(*_NOT_SHOWN_OF_MAIL)
    serializer_class = serializers.DeliveryEventSerializer
    filterset_class = filters.DeliveryEventFilter
    pagination_class = pagination.EventPagination


class BounceEventViewSet(HistoryViewSet):
    """Bounces: errors reported by a server or a returned mail, even after the mail was handed over."""

    queryset = BounceEvent.objects.select_related("mail").defer(*_NOT_SHOWN_OF_MAIL)
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
    """Notifications, as numbers of events: POSTs answered with 200, fetched and reprocessed events."""

    is_personal = False
    queryset = Notification.objects.all()
    serializer_class = serializers.NotificationSerializer
    filterset_class = filters.NotificationFilter
    pagination_class = pagination.NotificationPagination


class RejectedEventViewSet(HistoryViewSet):
    """Events that could not be stored, as sent."""

    queryset = RejectedEvent.objects.all()
    serializer_class = serializers.RejectedEventSerializer
    filterset_class = filters.RejectedEventFilter
    pagination_class = pagination.RejectedEventPagination


class AddressViewSet(HistoryViewSet):
    """An address: whether mail may be sent to it, and the outcome of the latest mails to it."""

    schema = AddressSchema()
    queryset = Mail.objects.all()  # whose view permission is required
    serializer_class = serializers.AddressSerializer
    body_classes = {"look_up": serializers.LookUpSerializer}
    answer_classes = {"look_up": serializers.LookUpResultsSerializer}
    filter_backends = []
    pagination_class = None

    def get_object(self) -> lookup.Address:
        # An address without mails is found as well; no bounce forbids sending to it
        found = lookup.look_up(self.kwargs["address"], **_asked(self, serializers.QuestionSerializer))
        if not found.address:
            raise Http404
        self.check_object_permissions(self.request, found)
        return found

    def look_up(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Return the verdicts on up to 1,000 addresses, in the order of the question.

        The addresses are in the body, since URLs are logged.
        """
        question = _body(self)
        addresses = question.pop("addresses")
        found = suppression.explain(addresses, **question)
        results = [
            serializers.LookedUp(each, wire.canonical_mailbox(each), *found[each]) for each in addresses
        ]
        return Response(serializers.LookUpResultsSerializer({"results": results}).data)


class SuppressionViewSet(HistoryViewSet):
    """All addresses that may not be sent to, and what is decided about them."""

    schema = SuppressionSchema()
    queryset = Suppression.objects.all()
    serializer_class = serializers.VerdictSerializer
    body_classes = {
        "create": serializers.DecideSerializer,
        "forget": serializers.ForgetSerializer,
        "lift": serializers.LiftSerializer,
    }
    answer_classes = {
        "create": serializers.DecisionRecordedSerializer,
        "forget": serializers.ForgottenSerializer,
        "lift": serializers.LiftedSerializer,
    }
    permissions_needed = {"create": "add", "forget": "delete", "lift": "lift"}
    refusals = {
        "create": {"409": "There is another person's decision, and `replace` is not true."},
        "lift": {
            "403": "Not signed in, without the permission that this needs, or not allowed by the project.",
            "502": "Customers Mail Cloud did not answer. What it removed before is recorded.",
        },
    }
    filter_backends = []
    pagination_class = pagination.ListingPagination

    def get_permissions(self) -> list[Any]:
        """Return the permissions: to decide takes the model's own, in addition to the project's."""
        if self.action not in self.permissions_needed:
            return super().get_permissions()
        others = [each for each in permissions.chosen() if each is not permissions.MayView]
        return [each() for each in (*others, permissions.MayDecide)]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Return addresses that may not be sent to, automatically or by hand, with all reasons.

        First those with decisions, then those that CMC reported as blocked, then those with bounces, each by
        address. A page looks at 2,000 addresses at most: it may have few rows or none although others follow.
        Addresses that were erased have no text and are not listed.
        """
        paginator: Any = self.paginator
        chosen = _asked(self, serializers.SuppressionQuerySerializer, paginator.query_params)
        page = paginator.read(request, chosen)
        serializer: Any = self.get_serializer()
        if isinstance(request.accepted_renderer, renderers.StreamingRenderer):
            others = suppression.stream(**chosen, after=page.next) if page.next else ()
            return self.download_recorded(request, serializer, chain(page.rows, others))
        results = [serializer.to_representation(row) for row in page.rows]
        return Response({"next": paginator.link(request, page.next), "results": results})

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Block an address, or release it from what was reported so far.

        There is one decision for each address and server composition. Replacing one takes the permission
        change_suppression, and another person's also `replace`. CMC goes on refusing what is on its own
        lists: see `cmc_entries`.
        """
        values = _body(self)
        address, kind, until = values["address"], values["kind"], values["until"]
        composition, by = values["composition"], self._by(values)
        _refuse_objections(
            form_rules.objections(
                address,
                kind,
                composition=composition,
                until=until,
                author=by["author"],
                may_change=permissions.holds(request, "change", Suppression),
                is_confirmed=values["replace"],
            )
        )
        replaced = lookup.decisions_about(address).filter(
            kind__in=DECIDED, pk=decisions.key_of(address, composition)
        )
        before = replaced.first()
        if kind == Suppression.Kinds.BLOCKED:
            decision = suppression.block(address, composition=composition, until=until, **by)
        else:
            decision = suppression.release(address, composition=composition, **by)
        answer = {"decision": decision, "replaced": before, "cmc_entries": decision.at_cmc}
        return self._answer({**answer, "now": _now(address, composition)}, status=201)

    def forget(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Withdraw a decision. Then only what CMC reported counts, and what an erasure kept of it."""
        values = _body(self)
        address, composition = values["address"], values["composition"]
        forgotten = suppression.forget(address, composition=composition, **self._by(values))
        return self._answer({"forgotten": forgotten, "now": _now(address, composition)})

    def lift(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Remove an address from CMC's own lists of a server composition, through CMC's REST API.

        The project must allow it, by the setting `REST_MAY_LIFT`. An unsubscribed person asked for no more
        mail: do it with their consent only. A decision by hand stays.
        """
        values = _body(self)
        if fault := lifting.why_not():
            raise exceptions.PermissionDenied(fault)
        from cmc_webhooks import rest  # needs the extra httpx

        address, composition = values["address"], values["composition"]
        try:
            lifts = suppression.lift_at_cmc(address, composition, reason=values["reason"], **self._by(values))
        except rest.Failed:
            raise CmcFailed from None
        return self._answer({"results": lifts, "now": _now(address, composition)})

    def _by(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return who decides, by which way, and the note."""
        author = audit.user_key(self.request.user)
        return {"note": values["note"], "author": author, "via": Trail.Ways.API.value}

    def _answer(self, values: Mapping[str, Any], status: int = 200) -> Response:
        return Response(self.answer_classes[self.action](values).data, status=status)


def _asked(
    view: Any, query_class: type[Serializer[Any]], others: AbstractSet[str] = frozenset()
) -> dict[str, Any]:
    """Return the validated parameters of a question. An empty one counts as not given."""
    query = query_class(data=strict_params.given(view.request))
    strict_params.reject_unknown_params(view.request, view, query.fields.keys() | others)
    query.is_valid(raise_exception=True)
    values: dict[str, Any] = query.validated_data
    return values


def _body(view: Any) -> dict[str, Any]:
    """Return the validated body of a request, which has no parameters."""
    strict_params.reject_unknown_params(view.request, view, set())
    body = view.body_classes[view.action](data=view.request.data)
    body.is_valid(raise_exception=True)
    values: dict[str, Any] = body.validated_data
    return values


def _refuse_objections(objections: Iterable[form_rules.Objection]) -> None:
    """Refuse a decision that is not taken as it is. All fields that are wrong are named at once."""
    wrong = defaultdict[str, list[str]](list)
    for field, code, message in objections:
        if code == "needs_change":
            raise exceptions.PermissionDenied(message)
        if code == "replaces":
            raise Conflict(message)
        wrong[field].append(message)
    if wrong:
        raise exceptions.ValidationError(wrong)


def _now(address: str, composition: str) -> serializers.LookedUp:
    """Return what holds for mail through a server composition, or through any."""
    explained = suppression.explain([address], composition=composition or None)[address]
    return serializers.LookedUp(address, wire.canonical_mailbox(address), *explained)


class StatisticsViewSet(HistoryViewSet):
    """Numbers of mails by status and other columns, from the daily counters; mails are not counted again."""

    schema = StatisticsSchema()
    queryset = Mail.objects.all()  # whose view permission is required
    serializer_class = serializers.StatisticsSerializer
    query_class = serializers.StatisticsQuerySerializer
    filter_backends = []
    pagination_class = None

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Return numbers of mails by the columns of `by`, sorted by them; domains with most mails first."""
        query = self.query_class(data=strict_params.given(request))
        strict_params.reject_unknown_params(request, self, query.fields.keys())
        query.is_valid(raise_exception=True)
        chosen, by = query.chosen(), query.validated_data["by"]
        using = routing.write_alias()
        count = reports.by_domain if "domain" in by else reports.totals_by
        rows = count(using, chosen, by)
        if isinstance(request.accepted_renderer, renderers.StreamingRenderer):
            return self.download(request, rows, [*by, *(reports.OUTCOMES if "domain" in by else ("mails",))])
        return Response({"from": chosen.days.first, "to": chosen.days.last, "results": rows})
