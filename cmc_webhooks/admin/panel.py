"""Panel of the mails about one of the project's own objects, on its page in the admin and in templates."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import auth
from cmc_webhooks.admin import labels, markup
from cmc_webhooks.models import Mail
from cmc_webhooks.models.api_data import api_data_of, has_api_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import Model
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = object

__all__ = ["MailHistoryMixin", "html"]

ROWS = 20
"""Number of latest mails that a panel shows."""
MOST_ADDRESSES = 5
"""Number of addresses whose mails a panel looks up. Each takes a statement."""

_FIELD = "mail_history"


class Row(NamedTuple):
    """A mail of a panel. `url` is that of its page; "" if the user cannot open it."""

    badge: SafeString
    moment: SafeString | None
    recipient: str
    subject: str
    words: str
    answer: str
    url: str


class Panel(NamedTuple):
    """The latest mails, and links to the lists of all of them, each with its text."""

    rows: list[Row]
    has_more: bool
    lists: list[tuple[str, str]]


class MailHistoryMixin(ModelAdmin):
    """Mixin for the admin of a project's own model: the page of an object shows the mails about it.

    The mails are those with the object's `apiData`, see `CMC_WEBHOOKS_API_DATA_OF`, and those to its
    addresses. Override `get_mail_api_data` or `get_mail_addresses` for others. The panel is a read-only
    field, `mail_history`: name it in `fields` or `fieldsets` to place it, otherwise it is the last fieldset.
    Only users with the permission `cmc_webhooks.view_mail` see it.
    """

    def get_mail_api_data(self, obj: Any) -> str:
        """Return the `apiData` of the mails about an object; "" for none."""
        return api_data_of(obj) if has_api_data(type(obj)) else ""

    def get_mail_addresses(self, obj: Any) -> Iterable[str]:
        """Return addresses whose mails are shown too, at most 5 of them, in any spelling."""
        return ()

    @admin.display(description=_("latest mails"))
    def mail_history(self, obj: Any) -> SafeString:
        """Return the panel. It takes one statement, and one for each address."""
        return html(
            obj.cmc_request,
            self.get_mail_api_data(obj),
            self.get_mail_addresses(obj),
            current_app=self.admin_site.name,
        )

    @property
    def media(self) -> forms.Media:
        return super().media + forms.Media(css={"all": ["cmc_webhooks/admin.css"]})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = [name for name in super().get_readonly_fields(request, obj) if name != _FIELD]
        if not _may_view(request, obj):
            return fields
        obj.cmc_request = request  # a column is given its row alone
        return [*fields, _FIELD]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        is_placed = self.fields is not None and _may_view(request, obj)
        return fields if is_placed else _without(fields)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if not _may_view(request, obj):
            return [(title, {**each, "fields": _without(each["fields"])}) for title, each in fieldsets]
        if _FIELD in flatten_fieldsets(fieldsets):
            return fieldsets
        return [*fieldsets, (_("Mails"), {"fields": (_FIELD,)})]


def html(
    request: Any, api_data: str, addresses: Iterable[str] = (), *, current_app: str | None = None
) -> SafeString:
    """Return the panel of the mails with this `apiData` and to these addresses, as HTML.

    It is empty for users who may not view mails. `current_app` is the name of the admin site it links to.
    """
    user = getattr(request, "user", None)
    if not auth.may(user, "cmc_webhooks.view_mail"):
        return mark_safe("")
    wanted = list(dict.fromkeys(filter(None, addresses)))[:MOST_ADDRESSES]
    mails = _latest(api_data, wanted)
    pages = _Pages(current_app) if getattr(user, "is_staff", False) else _Pages(None, is_open=False)
    searches = [(each, pages.of_list(each)) for each in (api_data, *wanted) if each]
    panel = Panel(
        rows=[_row(mail, pages) for mail in mails[:ROWS]],
        has_more=len(mails) > ROWS,
        lists=[(text, url) for text, url in searches if url],
    )
    context = {"panel": panel, "zone": timezone.get_current_timezone_name()}
    return mark_safe(render_to_string("cmc_webhooks/mail_history.html", context, request))  # noqa: S308 - escaped


class _Pages:
    """URLs of the admin's pages about mails; "" where there are none."""

    def __init__(self, current_app: str | None, *, is_open: bool = True) -> None:
        self._current_app, self._is_open = current_app, is_open

    def of_mail(self, mail: Mail) -> str:
        return self._url("change", mail.pk)

    def of_list(self, text: str) -> str:
        url = self._url("changelist")
        return f"{url}?{urlencode({'q': text})}" if url else ""

    def _url(self, name: str, *keys: Any) -> str:
        if not self._is_open:
            return ""
        try:
            view = f"admin:cmc_webhooks_mail_{name}"
            return reverse(view, args=keys, current_app=self._current_app)
        except NoReverseMatch:
            return ""


def _latest(api_data: str, addresses: Sequence[str]) -> list[Mail]:
    """Return the latest of these mails, one more than a panel shows if there are more."""
    mails = Mail.objects.all()
    sources = [mails.with_api_data(api_data)] if api_data else []
    sources += [mails.for_address(address) for address in addresses]
    found = dict[Any, Mail]()
    for source in sources:
        latest = source.order_by("-created_at", "-pk").defer("header_from", "return_path")
        found |= {mail.pk: mail for mail in latest[: ROWS + 1]}
    return sorted(found.values(), key=attrgetter("created_at", "pk"), reverse=True)[: ROWS + 1]


def _row(mail: Mail, pages: _Pages) -> Row:
    reason = labels.reason_of_mail(mail)
    return Row(
        badge=markup.badge(mail.status),
        moment=markup.moment(mail.status_at),
        recipient=markup.short(mail.recipient),
        subject=markup.short(mail.subject),
        words=reason.words if mail.bounce_event_id else reason.meaning,
        answer=markup.short(mail.reason),
        url=pages.of_mail(mail),
    )


def _may_view(request: HttpRequest, obj: Model | None) -> bool:
    return obj is not None and auth.may(request.user, "cmc_webhooks.view_mail")


def _without(fields: Any) -> list[Any]:
    """Return fields, some of which may be together on a line, without the panel."""
    lines = [
        tuple(name for name in line if name != _FIELD) if isinstance(line, list | tuple) else line
        for line in fields
    ]
    return [line for line in lines if line not in (_FIELD, ())]
