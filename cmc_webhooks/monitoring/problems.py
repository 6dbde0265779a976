"""The problems of a `Health` in words, each with what to do, and the verdict in one sentence.

`cmc_status`, the health view, the delivery overview in the admin and alerts all use these sentences.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext_lazy

from cmc_webhooks.models.refusals import RefusalCount, label
from cmc_webhooks.monitoring import clock, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmc_webhooks.monitoring.health import Health

__all__ = ["CODES", "Problem", "duration", "find", "local_time", "verdict"]

CODES = (
    "dead_signals",
    "late_signals",
    "rejected_events",
    "silence",
    "future",
    "wrong_zone",
    "refused_calls",
)
"""The kinds of problems."""
_UNITS = (
    (86_400, pgettext_lazy("unit of time", "d")),
    (3600, pgettext_lazy("unit of time", "h")),
    (60, pgettext_lazy("unit of time", "min")),
    (1, pgettext_lazy("unit of time", "s")),
)


class Problem(NamedTuple):
    """A problem that an operator must resolve: its kind, a sentence that says what is wrong, what to do.

    `code` is one of `CODES`. The texts are in the active language.
    """

    code: str
    sentence: str
    remedy: str

    @property
    def text(self) -> str:
        """Return both as one line."""
        blank = "" if self.sentence.endswith("。") else " "
        return f"{self.sentence}{blank}{self.remedy}"


def find(now: Health, max_age: float, fail_if_silent: float | None) -> Iterator[Problem]:
    """Yield the problems, grouped by kind. The arguments are those of `Health.found`."""
    if now.dead:
        sentence = ngettext("%(number)s signal is dead.", "%(number)s signals are dead.", now.dead)
        yield Problem(
            "dead_signals",
            _counted(now, sentence, now.dead),
            gettext("Send them again or dismiss them under Pending signals in the admin."),
        )
    if now.oldest_pending is not None and now.oldest_pending > max_age:
        yield Problem(
            "late_signals",
            gettext("The oldest pending signal is %(age)s old.") % {"age": duration(now.oldest_pending)},
            gettext("Is cmc_dispatch or a worker running?"),
        )
    if now.rejected:
        sentence = ngettext(
            "%(number)s event could not be read.", "%(number)s events could not be read.", now.rejected
        )
        yield Problem(
            "rejected_events",
            _counted(now, sentence, now.rejected),
            gettext("Read them again or dismiss them in the admin."),
        )
    yield from _silence(now, fail_if_silent)
    if now.future:
        yield Problem(
            "future",
            gettext("Some receipts are in the future. Was the clock of a server wrong?"),
            gettext("Correct the clock, then run cmc_status --accept-future REASON."),
        )
    if now.ahead:
        yield Problem("wrong_zone", *clock.question(now.ahead))
    yield from _refused(now)


def verdict(now: Health, found: Sequence[Problem]) -> str:
    """Return the verdict: all is well, or a line for each problem."""
    if found:
        return "\n".join(problem.text for problem in found)
    if now.last_notification is None or now.silence is None:
        return gettext("All is well. CMC has not posted yet.")
    values = {"ago": duration(now.silence), "time": local_time(now.last_notification)}
    return gettext("All is well. CMC last posted %(ago)s ago (%(time)s).") % values


def duration(seconds: float) -> str:
    """Return a duration in its two largest units, in the active language: `3 s`, `2 h`, `1 d 4 h`."""
    rest = int(max(seconds, 0))
    parts = []
    for length, unit in _UNITS:
        number, rest = divmod(rest, length)
        parts.append(f"{number} {unit}" if number else "")
    first = next((place for place, part in enumerate(parts) if part), len(parts) - 1)
    return " ".join(filter(None, parts[first : first + 2])) or f"0 {_UNITS[-1][1]}"


def local_time(moment: datetime, *, with_zone: bool = True) -> str:
    """Return an aware time in the project's TIME_ZONE: `10:37:02 Asia/Tokyo`, with its day if not today."""
    zone = timezone.get_default_timezone()
    local = moment.astimezone(zone)
    is_today = local.date() == datetime.now(UTC).astimezone(zone).date()
    form = "%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S"
    text = f"{local:{form}}"
    return f"{text} {timezone.get_default_timezone_name()}" if with_zone else text[: -len(":00")]


def _silence(now: Health, fail_if_silent: float | None) -> Iterator[Problem]:
    limit = now.silence_limit if fail_if_silent is None else fail_if_silent
    if limit is None:
        return
    if now.silence is None:
        yield Problem(
            "silence",
            gettext("No notification was ever received."),
            gettext("Is the URL entered in CMC's console?"),
        )
    elif now.silence > limit:
        values = {"silence": duration(now.silence), "limit": duration(limit)}
        yield Problem(
            "silence",
            gettext("No notification for %(silence)s (limit %(limit)s).") % values,
            gettext("Can CMC still reach the webhook?"),
        )


def _refused(now: Health) -> Iterator[Problem]:
    reasons = RefusalCount.Reasons
    remedies: dict[str, str] = {
        reasons.API_KEY.value: gettext("Do CMC's key and yours differ?"),
        reasons.NO_API_KEY.value: gettext("Does CMC send its API key to this URL?"),
        reasons.BASIC.value: gettext("Do the BASIC credentials in CMC's console differ from yours?"),
        reasons.NO_BASIC.value: gettext("Enter the BASIC credentials in CMC's console."),
        reasons.TOKEN.value: gettext("Does the sender's Bearer token differ from yours?"),
        reasons.NO_TOKEN.value: gettext("Does the sender know the Bearer token?"),
        reasons.NO_SECRET.value: gettext("Set CMC_WEBHOOKS_API_KEYS."),
        reasons.ADDRESS.value: gettext("Does CMC_WEBHOOKS_ALLOWED_NETWORKS list CMC's networks?"),
        reasons.TOO_MANY.value: gettext("Raise CMC_WEBHOOKS_MAX_EVENTS."),
        reasons.UNREADABLE.value: gettext("Look at it under Events that could not be read in the admin."),
        reasons.RECEIVED_MAIL.value: gettext("Enter another URL for the Inbound webhook in CMC's console."),
    }
    for each in refusals.serious(now.refused, now.last_notification, now.refused_accepted):
        sentence = ngettext(
            "%(number)s request refused since %(time)s: %(reason)s.",
            "%(number)s requests refused since %(time)s: %(reason)s.",
            each.number,
        )
        values = {
            "number": f"{each.number:,}",
            "time": local_time(each.first, with_zone=False),
            "reason": label(each.reason),
        }
        yield Problem("refused_calls", sentence % values, remedies[each.reason])


def _counted(now: Health, sentence: str, number: int) -> str:
    values = {"number": f"{number:,}"}
    if now.counted_all:
        return sentence % values
    return gettext("At least %(sentence)s") % {"sentence": sentence % values}
