"""Blocks, notifications and rejected events; filters by several values, by domain and by time of receipt."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import resolve, reverse

from tests.helpers import factories

pytestmark = pytest.mark.django_db

START = factories.START
FACTORIES = {
    "mail": factories.MailFactory,
    "delivery-event": factories.DeliveryEventFactory,
    "bounce-event": factories.BounceEventFactory,
    "block-event": factories.BlockEventFactory,
    "notification": factories.NotificationFactory,
}


class TestLists:
    def test_of_blocks_show_and_filter_them(self, api):
        hard = factories.BlockEventFactory(address="a@example.jp")
        soft = factories.BlockEventFactory(bounce_code="5", occurred_at=START + timedelta(days=9))

        (row,) = api.list("block-event", bounce_class="soft").json()["results"]

        assert (row["address"], row["bounce_class"], row["raw"]) == (soft.address, "soft", soft.raw)
        assert api.found("block-event", recipient="X <A@example.jp>") == {str(hard.pk)}
        assert api.found("block-event", bounce_code__in="2,5") == {str(hard.pk), str(soft.pk)}
        assert api.found("block-event", occurred_after="2023-01-30") == {str(soft.pk)}
        assert api.detail("block-event", hard.pk).json()["id"] == str(hard.pk)

    def test_of_blocks_name_the_server_composition(self, api):
        block = factories.BlockEventFactory(server_composition="newsletter")

        assert api.list("block-event").json()["results"][0]["server_composition"] == "newsletter"
        assert api.detail("block-event", block.pk).json()["server_composition"] == "newsletter"

    def test_of_notifications_show_counts(self, api):
        old = factories.NotificationFactory(new=3, repeated=2, rejected=1)
        new = factories.NotificationFactory(
            event_type="bounces", received_at=START + timedelta(days=5), source="rest"
        )

        rows = api.list("notification").json()["results"]

        assert [row["id"] for row in rows] == [str(new.pk), str(old.pk)]
        assert (rows[1]["new"], rows[1]["repeated"], rows[1]["rejected"]) == (3, 2, 1)
        assert [row["source"] for row in rows] == ["rest", "webhook"]
        assert api.found("notification", event_type="bounces") == {str(new.pk)}
        assert api.found("notification", source="rest") == {str(new.pk)}
        assert api.list("notification", source="post").json() == {
            "source": ["Must be one of: webhook, rest, retry."]
        }
        assert api.found("notification", received_before="2023-01-26") == {str(old.pk)}

    def test_of_rejected_events_show_what_was_sent(self, api):
        still_open = factories.RejectedEventFactory()
        resolved = factories.RejectedEventFactory(resolved_at=START)

        (row,) = api.list("rejected-event", resolved="false").json()["results"]

        assert (row["id"], row["raw"], row["error"]) == (str(still_open.pk), still_open.raw, still_open.error)
        assert api.found("rejected-event", resolved="true") == {str(resolved.pk)}
        assert api.list("rejected-event", resolved="AAA").json() == {
            "resolved": ["Must be one of: true, false."]
        }
        assert len(api.found("rejected-event")) == 2

    def test_of_rejected_events_tell_open_ones_from_dismissed_ones(self, api):
        still_open = factories.RejectedEventFactory()
        dismissed = factories.RejectedEventFactory(dismissed_at=START)

        (row,) = api.list("rejected-event", dismissed="true").json()["results"]

        assert (row["id"], row["raw"], row["resolved_at"]) == (str(dismissed.pk), dismissed.raw, None)
        assert row["dismissed_at"].startswith(str(START.year))
        assert api.found("rejected-event", dismissed="false", resolved="false") == {str(still_open.pk)}

    @pytest.mark.parametrize("name", ["block-event", "notification", "rejected-event"])
    def test_refuse_what_they_do_not_know(self, api, name):
        assert api.list(name, odd="1").status_code == 400
        assert api.list(name, ordering="odd").status_code == 400
        assert api.list(name, page_size="0").status_code == 400

    @pytest.mark.parametrize("name", ["block-event", "notification", "rejected-event"])
    def test_lead_from_page_to_page(self, api, name):
        factory = {
            "block-event": factories.BlockEventFactory,
            "notification": factories.NotificationFactory,
            "rejected-event": factories.RejectedEventFactory,
        }[name]
        made = {str(factory().pk) for _ in range(5)}

        page, seen = api.list(name, page_size=2).json(), []
        seen += page["results"]
        while page["next"]:
            page = api.page(page["next"])
            seen += page["results"]

        assert len(seen) == 5
        assert {row["id"] for row in seen} == made


class TestKeys:
    @pytest.mark.parametrize(
        "name", ["mail", "delivery-event", "bounce-event", "block-event", "notification"]
    )
    def test_find_rows(self, api, name):
        made = [str(FACTORIES[name]().pk) for _ in range(4)]

        assert api.found(name, id__in=",".join(made[:2])) == set(made[:2])
        assert api.found(name, id__in=[made[0], f"{made[1]}, {made[3]}"]) == {made[0], made[1], made[3]}
        assert api.list(name, id__in=f"{made[0]},x").json() == {
            "id__in": ["Must be one or more UUIDs, separated by commas."]
        }
        assert api.list(name, id__in=",".join(made * 26)).status_code == 400

    @pytest.mark.parametrize("name", ["delivery-event", "bounce-event"])
    def test_of_a_mail_find_its_events(self, api, name):
        mine, _ = FACTORIES[name](), FACTORIES[name]()

        assert api.found(name, mail=mine.mail_id) == {str(mine.pk)}
        assert api.list(name, mail="x").status_code == 400


class TestSeveralValues:
    @pytest.mark.parametrize(
        ("name", "values"),
        [("status__in", "failed,bounced"), ("bounce_code__in", "2,8"), ("bounce_class__in", "hard,message")],
    )
    def test_may_be_given_with_commas_or_again_and_again(self, api, name, values):
        for code in ("2", "8", "5"):
            factories.MailFactory(bounce_code=code, bounce_event_id=uuid4())
        factories.MailFactory(delivery_status="failed")

        expected = api.found("mail", **{name: values})

        assert 2 <= len(expected) < 5
        assert api.found("mail", **{name: values.split(",")}) == expected
        assert api.found("mail", **{name: [values, ""]}) == expected

    def test_are_no_more_than_a_hundred_in_all(self, api):
        assert api.list("mail", status__in=["a,b"] * 51).status_code == 400

    def test_of_statistics_may_be_given_again_and_again(self, api):
        url = reverse("cmc_webhooks_api:stats")

        assert api.client.get(url, {"by": ["day", "status"]}).json() == api.client.get(url).json()

    def test_of_a_parameter_for_one_value_are_refused(self, api):
        assert api.list("mail", status=["failed", "bounced"]).json() == {
            "detail": "status is specified more than once."
        }


class TestEmptyParameters:
    @pytest.mark.parametrize(
        "name", ["mail", "delivery-event", "bounce-event", "block-event", "notification"]
    )
    def test_count_as_not_given(self, api, name):
        made = str(FACTORIES[name]().pk)
        view = resolve(reverse(f"cmc_webhooks_api:{name}-list")).func.cls
        names = [*view.filterset_class.base_filters, *view.pagination_class().query_params]

        assert api.ids(name, **dict.fromkeys(names, "")) == [made]


class TestFilters:
    @pytest.fixture
    def mails(self):
        return {
            word: factories.MailFactory(
                delivery_status=word,
                recipient=f"user@{word}.example",
                created_at=START + timedelta(days=days),
                server_composition="pro" if days else "sandbox",
            )
            for days, word in enumerate(["queued", "failed", "odd"])
        }

    @pytest.mark.parametrize(
        ("parameters", "words"),
        [
            ({"status__in": "queued,odd"}, {"queued", "odd"}),
            ({"status__in": "queued"}, {"queued"}),
            ({"status__in": "none,nothing"}, set()),
            ({"status__in": "queued,failed", "status": "failed"}, {"failed"}),
            ({"server_composition__in": "sandbox,x"}, {"queued"}),
            ({"domain": "Failed.Example"}, {"failed"}),
            ({"domain": "@odd.example"}, {"odd"}),
            ({"received_after": "2023-01-26"}, {"failed", "odd"}),
            ({"received_before": "2023-01-26"}, {"queued", "failed"}),
            ({"received_after": "2023-01-26", "received_before": "2023-01-26"}, {"failed"}),
        ],
        ids=lambda value: str(value) if isinstance(value, dict) else "finds",
    )
    def test_of_mails(self, api, mails, parameters, words):
        assert api.found("mail", **parameters) == {str(mails[word].pk) for word in words}

    def test_of_bounce_classes(self, api):
        codes = {code: factories.BounceEventFactory(bounce_code=code) for code in ("2", "5", "8", "77")}

        assert api.found("bounce-event", bounce_class__in="hard,unknown") == {
            str(codes["2"].pk),
            str(codes["77"].pk),
        }
        assert api.found("bounce-event", bounce_code__in="5,8") == {str(codes["5"].pk), str(codes["8"].pk)}
        assert api.list("bounce-event", bounce_class__in="hard,odd").status_code == 400

    @pytest.mark.parametrize("name", ["bounce_class", "bounce_class__in"])
    def test_take_no_delivery_with_the_word_bounced_for_a_bounce(self, api, name):
        factories.MailFactory(delivery_status="bounced")
        odd = factories.MailFactory(bounce_code="77")

        assert api.found("mail", **{name: "unknown"}) == {str(odd.pk)}

    @pytest.mark.parametrize("name", ["status__in", "server_composition__in", "bounce_code__in"])
    def test_take_a_hundred_values(self, api, mails, name):
        values = [f"w{number}" for number in range(100)]

        assert api.found("mail", **{name: ",".join(values)}) == set()
        refusal = api.list("mail", **{name: ",".join([*values, "more"])})
        assert (refusal.status_code, refusal.json()) == (400, {name: ["At most 100 values are allowed."]})

    def test_know_a_code_with_a_blank_behind_it_for_another(self, api):
        odd = factories.BounceEventFactory(bounce_code="2 ")
        plain = factories.BounceEventFactory(bounce_code="2")

        for name in ("bounce_class", "bounce_class__in"):
            assert api.found("bounce-event", **{name: "hard"}) == {str(plain.pk)}
            assert api.found("bounce-event", **{name: "unknown"}) == {str(odd.pk)}

    def test_refuse_a_class_with_a_line_break(self, api):
        assert api.list("bounce-event", bounce_class__in="hard\n").status_code == 400

    @pytest.mark.parametrize("value", ["@", "@@", " "])
    def test_of_no_domain_pass_none_over(self, api, mails, value):
        assert api.found("mail", domain=value) == set()

    @pytest.mark.parametrize("value", ["<>", " ", "Name <>"])
    def test_of_no_sender_find_nothing(self, api, mails, value):
        factories.MailFactory(header_from="")

        assert api.found("mail", sender=value) == set()

    @pytest.mark.parametrize("value", ["MÜLLER@example.com", "Müller@Example.com"])
    def test_find_a_sender_as_it_was_sent(self, api, value):
        mail = factories.MailFactory(header_from=value)

        assert api.found("mail", sender=value) == {str(mail.pk)}

    def test_find_what_is_longer_than_its_column(self, api, open_hook):
        from tests.conftest import delivery

        event = delivery(to=f"u@{'d' * 300}.example", apiData="x" * 300)
        open_hook.send("deliveries", event, api_key=None)

        assert len(api.found("mail", api_data="x" * 300)) == 1
        assert len(api.found("mail", domain=f"{'D' * 300}.example")) == 1

    def test_of_events_by_the_domain_of_their_mail(self, api):
        event = factories.DeliveryEventFactory(mail=factories.MailFactory(recipient="u@one.example"))
        factories.DeliveryEventFactory()

        assert api.found("delivery-event", domain="one.example") == {str(event.pk)}

    def test_of_events_by_receipt(self, api):
        late = factories.DeliveryEventFactory(received_at=START + timedelta(days=3))
        factories.DeliveryEventFactory()

        assert api.found("delivery-event", received_after="2023-01-27") == {str(late.pk)}
