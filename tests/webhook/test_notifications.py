"""Notifications that are taken."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cmc_webhooks import models, signals
from tests.conftest import API_KEY, FORM, HOOK, PAYLOADS, bounce, delivery
from tests.webhook.posts import GOOD, MAX_STATEMENTS, form, multipart, stored

pytestmark = pytest.mark.django_db


class TestGoodNotification:
    """A notification that is taken is answered with 200 and what became of its events."""

    @pytest.mark.parametrize(
        ("event_type", "events", "counts"),
        [
            ("deliveries", [delivery("<a@x>"), delivery("<b@x>")], (2, 0, 0)),
            ("bounces", [bounce("<a@x>"), bounce("<b@x>")], (2, 0, 0)),
            ("blocks", [{"email": "a@example.jp"}, {"email": "b@example.jp"}], (2, 0, 0)),
            ("deliveries", [], (0, 0, 0)),
            ("deliveries", [delivery(), delivery()], (1, 1, 0)),
            ("deliveries", [delivery("<a@x>"), "odd", delivery("<b@x>"), delivery(to=[])], (2, 0, 2)),
            ("deliveries", [None], (0, 0, 1)),
            ("opens", [{"to": "a@example.jp"}, {"to": "b@example.jp"}], (0, 0, 2)),
            ("opens", [], (0, 0, 0)),
        ],
        ids=[
            "deliveries",
            "bounces",
            "blocks",
            "empty",
            "twins",
            "odd",
            "only odd",
            "new type",
            "new type, empty",
        ],
    )
    def test_counts_its_events(self, hook, event_type, events, counts):
        answer = hook.send(event_type, *events)

        row = models.Notification.objects.get()
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert json.loads(answer.content) == dict(zip(("new", "repeated", "rejected"), counts, strict=True))
        assert (row.event_type, row.server_composition) == (event_type, "pro")
        assert (row.new, row.repeated, row.rejected) == counts

    def test_counts_repeats_of_itself_and_of_a_part(self, hook):
        batches = [["<a@x>", "<b@x>"], ["<a@x>", "<b@x>"], ["<b@x>", "<c@x>"], ["<c@x>"]]

        answers = [hook.send("deliveries", *map(delivery, batch)).json() for batch in batches]

        assert [tuple(answer.values()) for answer in answers] == [(2, 0, 0), (0, 2, 0), (1, 1, 0), (0, 1, 0)]
        assert models.DeliveryEvent.objects.count() == 3

    def test_counts_a_repeat_with_odd_events_as_such(self, hook):
        batch = [delivery(), delivery(to=[])]

        answers = [hook.send("deliveries", *batch).json() for _ in range(2)]

        assert answers == [{"new": 1, "repeated": 0, "rejected": 1}, {"new": 0, "repeated": 1, "rejected": 1}]
        assert stored() == {"Mail": 1, "DeliveryEvent": 1, "RejectedEvent": 1, "Notification": 2}

    def test_keeps_what_is_odd_with_its_text_and_place(self, hook):
        hook.send("deliveries", delivery(), {"to": ["a@example.jp"], "n": 1, "api_key": API_KEY})

        kept = models.RejectedEvent.objects.get()
        assert (kept.event_type, kept.server_composition, kept.position) == ("deliveries", "pro", 1)
        assert json.loads(kept.raw) == {"to": ["a@example.jp"], "n": 1}
        assert kept.error == "event.deliveries[1]: to is not text"
        assert kept.resolved_at is None

    def test_keeps_events_of_a_type_never_seen(self, hook):
        hook.send("opens", {"to": "a@example.jp"}, {"to": "b@example.jp"})

        kept = models.RejectedEvent.objects.order_by("position")
        assert [(each.event_type, json.loads(each.raw)) for each in kept] == [
            ("opens", {"to": "a@example.jp"}),
            ("opens", {"to": "b@example.jp"}),
        ]

    def test_reaches_the_receivers_from_body_to_signal(self, hook, sent, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            hook.send("deliveries", delivery(), delivery(status="failed", created="2023-01-25 14:06:06"))
            hook.send("bounces", bounce())

        assert [(name, sender.__name__) for name, sender, _ in sent] == [
            ("event_recorded", "DeliveryEvent"),
            ("event_recorded", "DeliveryEvent"),
            ("status_changed", "Mail"),
            ("event_recorded", "BounceEvent"),
            ("status_changed", "Mail"),
        ]
        assert [(call["old"], call["new"]) for call in sent.of("status_changed")] == [
            ("", "failed"),
            ("failed", "bounced"),
        ]

    def test_tells_nothing_twice(self, hook, sent, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            hook.send("deliveries", delivery())
            hook.send("deliveries", delivery())

        assert len(sent) == 2

    def test_may_come_out_of_order(self, hook, sent, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            hook.send("deliveries", delivery(status="succeeded", created="2023-01-25 14:03:09"))
            hook.send("deliveries", delivery(status="queued"))

        assert models.Mail.objects.get().status == "succeeded"
        assert len(sent.of("status_changed")) == 1

    def test_may_have_a_status_never_seen(self, hook):
        hook.send("deliveries", delivery(status="expired"))

        assert models.Mail.objects.get().status == "expired"

    def test_is_taken_when_a_receiver_raises(self, hook, django_capture_on_commit_callbacks):
        def bad(**arguments):
            raise RuntimeError("a fault of the site's own")

        signals.status_changed.connect(bad)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                answer = hook.send("deliveries", delivery())
        finally:
            signals.status_changed.disconnect(bad)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

    def test_costs_the_same_statements_whatever_its_size(self, hook):
        events = [delivery(f"<{number}@x>") for number in range(110)]
        hook.send("deliveries", delivery())

        counts = []
        for batch in (events[:10], events[10:]):
            with CaptureQueriesContext(connection) as statements:
                hook.send("deliveries", *batch)
            counts.append(len([each for each in statements if "SAVEPOINT" not in each["sql"]]))

        assert models.DeliveryEvent.objects.count() == 111
        assert max(counts) <= MAX_STATEMENTS
        if MAX_STATEMENTS == 12:
            assert counts[0] == counts[1]

    def test_may_be_json_form_or_multipart(self, hook):
        body = multipart(**form(delivery()))

        answers = [
            hook.post(GOOD),
            hook.post(urlencode(form(delivery())).encode(), FORM),
            hook.post(body, "multipart/form-data; boundary=b"),
        ]

        assert [answer.json()["new"] for answer in answers] == [1, 0, 0]
        assert [answer.json()["repeated"] for answer in answers] == [0, 1, 1]

    @pytest.mark.parametrize(
        "path",
        sorted(path for path in PAYLOADS.iterdir() if path.suffix in (".json", ".form")),
        ids=lambda it: it.name,
    )
    def test_is_taken_as_recorded(self, open_hook, path):
        answer = open_hook.file(path)

        if path.stem.startswith(("rest_", "receiving_")):
            assert answer.status_code == 400
            assert stored() == {}
        else:
            assert answer.status_code == 200
            assert answer.json()["new"] > 0
            assert (answer.json()["repeated"], answer.json()["rejected"]) == (0, 0)

    def test_leaves_no_secret_in_its_row(self, hook):
        hook.send("deliveries", delivery())

        assert API_KEY not in repr(models.Notification.objects.values().get())

    def test_has_an_address_with_a_name(self):
        assert reverse("cmc_webhooks:webhook") == HOOK
