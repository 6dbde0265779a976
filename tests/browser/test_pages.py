"""Every page, wide and narrow, light and dark: readable, within the window, in the reader's language."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import (
    FAULT,
    HOSTILE,
    LONG_WORD,
    NOTE,
    PAGES,
    PHONE,
    REASON,
    no_sideways,
    visit,
)

pytestmark = pytest.mark.django_db(transaction=True)

ENGLISH = re.compile(r"(?<![\w.@<>/=:-])[A-Za-z]{3,}(?![\w.@<>/=:-])")
AS_SENT = (
    f"{REASON} {HOSTILE} {NOTE} {FAULT} {LONG_WORD} event.deliveries[1]: to is not text"
    " deliveries bounces blocks pro apiData unknown user ConnectionRefusedError"
    " newsletter tests 452 4.2.2 Mailbox full support root EXCEL"
    " Customers Mail Cloud CUSTOMERS MAIL CLOUD CMC Webhook REST API CSV Return-Path SPF DKIM Asia/Tokyo"
)
"""What CMC or people have written, and names: the same in any language."""


class TestPages:
    def test_have_no_serious_fault_and_stay_within_the_window(
        self, open_page, decisions, axe, size, scheme, pictures
    ):
        page, faults = open_page(size, scheme), {}

        for where in PAGES:
            visit(page, where)
            page.screenshot(path=pictures / picture(where, "phone" if size == PHONE else "desktop", scheme))
            page.evaluate(axe)
            found = page.evaluate("axe.run(document.querySelector('main') || document)")
            faults[where] = [
                (each["id"], [node["html"][:200] for node in each["nodes"]][:3])
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            if not no_sideways(page):
                faults[where].append("sticks out to the right")

        assert {where: found for where, found in faults.items() if found} == {}

    def test_speak_japanese(self, open_page, decisions, pictures):
        page, english = open_page(locale="ja-JP"), {}

        for where in PAGES:
            visit(page, where)
            page.screenshot(path=pictures / picture(where, "japanese"))
            words = ENGLISH.findall(page.inner_text("main"))
            english[where] = {word for word in words if word not in AS_SENT}

        assert {where: words for where, words in english.items() if words} == {}


def picture(where, *words):
    """The name of a file."""
    return "-".join(["page", *re.findall(r"\w+", where or "app"), *words]) + ".png"
