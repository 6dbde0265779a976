"""The built site: what its pages load, where their links lead, and what readers do in a browser."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.site.conftest import SITE

LANGUAGES = ("en", "ja")
PAGES = sorted(str(path.relative_to(SITE)) for path in Path(SITE).rglob("*.html")) if SITE else []
WORDS = ("配信停止", "apiData", "cmc_prune")
PHONE = {"width": 390, "height": 844}


class Read(HTMLParser):
    """The ids of a page, its links, and what the browser loads for it."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given.get("id"), given.get("name")} - {None}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") in {"stylesheet", "icon", "preload", "prefetch", "preconnect"}:
            self.loaded.append(given["href"])
        if tag in {"script", "img", "iframe", "source"} and given.get("src"):
            self.loaded.append(given["src"])


@cache
def read(path):
    return Read(path.read_text(encoding="utf-8"))


class TestFiles:
    def test_there_are_both_languages(self):
        for language in LANGUAGES:
            assert len([page for page in PAGES if page.startswith(f"{language}/")]) > 40

    @pytest.mark.parametrize("page", PAGES)
    def test_nothing_is_loaded_from_elsewhere(self, folder, page):
        assert [url for url in read(folder / page).loaded if urlsplit(url).netloc] == []

    def test_no_style_loads_anything_from_elsewhere(self, folder):
        for path in folder.rglob("*.css"):
            style = path.read_text(encoding="utf-8")
            assert not re.search(r"@import|url\([\"']?(https?:)?//", style), path

    @pytest.mark.parametrize("page", PAGES)
    def test_its_links_lead_somewhere(self, folder, page):
        here = folder / page
        wrong = []
        for link in {*read(here).links, *read(here).loaded}:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = (here.parent / unquote(parts.path)).resolve() if parts.path else here
            if not there.is_file() or (
                parts.fragment and there.suffix == ".html" and unquote(parts.fragment) not in read(there).ids
            ):
                wrong.append(link)
        assert wrong == []


def found(page, word, shown=None):
    """Type a word into the search, and return the results that are in sight: title and excerpt of each."""
    place = ".above-page" if page.viewport_size["width"] < 500 else ".site-search"
    page.locator(f"{place} pagefind-modal-trigger button").click()
    page.locator("pagefind-modal input").fill(word)
    page.locator("pagefind-modal .pf-result", has_text=shown or word).first.wait_for()
    return [text for text in page.locator("pagefind-modal .pf-result").all_inner_texts() if text.strip()]


class TestReader:
    @pytest.mark.parametrize("word", WORDS)
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_finds_a_word(self, page, url, language, word):
        page.goto(f"{url}/{language}/howto/index.html")

        results = found(page, word)

        assert word.lower() in results[0].lower(), results

    @pytest.mark.parametrize("word", ["配信停止", "cmc_prune"])
    def test_finds_whole_compounds_and_names_in_japanese(self, page, url, word):
        page.goto(f"{url}/ja/index.html")

        assert [text for text in found(page, word) if word not in text] == []

    def test_finds_the_words_of_a_compound_that_no_page_has(self, page, url):
        page.goto(f"{url}/ja/index.html")

        assert found(page, "停止配信", shown="停止")

    def test_opens_a_page_that_was_found(self, page, url):
        page.goto(f"{url}/ja/index.html")
        found(page, "cmc_prune")

        page.locator("pagefind-modal .pf-result a").first.click()
        page.wait_for_url(lambda address: "/index.html" not in address)

        assert "cmc_prune" in page.locator("article").inner_text()

    def test_searches_on_a_phone(self, page, url):
        page.set_viewport_size(PHONE)
        page.goto(f"{url}/ja/howto/retention.html")

        assert found(page, "apiData")

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_switches_the_language_of_the_page(self, page, url, language):
        other = "ja" if language == "en" else "en"
        page.goto(f"{url}/{language}/howto/retention.html")

        page.get_by_role("link", name="日本語" if other == "ja" else "English", exact=True).click()
        page.wait_for_url(f"{url}/{other}/howto/retention.html")

        assert page.locator("html").get_attribute("lang") == other

    def test_begins_in_a_language(self, page, url):
        page.goto(f"{url}/")
        page.wait_for_url(f"{url}/en/index.html")

    def test_never_scrolls_a_page_sideways_on_a_phone(self, page, url):
        page.set_viewport_size(PHONE)
        wide = []
        for path in PAGES:
            page.goto(f"{url}/{path}", wait_until="domcontentloaded")
            if (
                path != "index.html"
                and page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]
            ):
                wide.append(path)
        assert wide == []
