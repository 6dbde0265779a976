"""D45: no meaning is carried by colour alone, and outcomes have colours that differ."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from cmc_webhooks import admin as admin_package

STATIC = Path(admin_package.__file__).parents[1] / "static" / "cmc_webhooks"
CSS = (STATIC / "admin.css").read_text()
OUTCOMES = ("good", "waiting", "delayed", "bad", "returned", "other")
BACKGROUNDS = {"light": "#ffffff", "dark": "#121212"}


def variables(scheme):
    """The colours of a scheme, as chosen with the admin's switch."""
    block = re.search(rf'html\[data-theme="{scheme}"\] {{(.*?)}}', CSS, re.DOTALL)[1]
    return dict(re.findall(r"--cmc-([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour):
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """WCAG 2.2, contrast ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def seen_without_red_and_green(colour):
    """A colour as a person with deuteranopia sees it, roughly (Viénot 1999, in sRGB)."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    mixed = 0.29 * red + 0.71 * green
    return mixed, blue


@pytest.mark.parametrize("scheme", BACKGROUNDS)
class TestD45:
    def test_outcomes_have_colours_of_their_own(self, scheme):
        lines = [variables(scheme)[f"{name}-line"] for name in OUTCOMES]

        assert len(set(lines)) == len(OUTCOMES)

    def test_failed_and_bounced_differ_in_lightness(self, scheme):
        colours = variables(scheme)

        assert contrast(colours["bad-line"], colours["returned-line"]) >= 2.3

    def test_outcomes_differ_without_red_and_green(self, scheme):
        colours = variables(scheme)
        seen = {name: seen_without_red_and_green(colours[f"{name}-line"]) for name in OUTCOMES}

        for one, other in itertools.combinations(OUTCOMES, 2):
            assert max(abs(a - b) for a, b in zip(seen[one], seen[other], strict=True)) > 20, (one, other)

    def test_each_is_seen_on_the_background(self, scheme):
        for name in OUTCOMES:
            assert contrast(variables(scheme)[f"{name}-line"], BACKGROUNDS[scheme]) >= 2.7, name

    def test_badges_can_be_read(self, scheme):
        colours = variables(scheme)
        for name in OUTCOMES:
            assert contrast(colours[f"{name}-fg"], colours[f"{name}-bg"]) >= 4.5, name

    def test_both_ways_to_a_scheme_have_the_same_colours(self, scheme):
        first = re.search(
            r":root {(.*?)}", CSS.partition("@media")[0 if scheme == "light" else 2], re.DOTALL
        )[1]

        assert dict(re.findall(r"--cmc-([\w-]+): (#[0-9a-f]{6});", first)) == variables(scheme)


class TestChart:
    def test_parts_its_neighbours_by_a_line_of_the_background(self):
        box = re.search(r"\.cmc-box {(.*?)}", (STATIC / "charts.css").read_text(), re.DOTALL)[1]

        assert "stroke: var(--body-bg" in box

    def test_each_outcome_has_a_sign_beside_its_colour(self):
        signs = re.findall(r'\.cmc-badge(?:\.cmc-(\w+))?::before {[^}]*content: "(.)"', CSS)

        assert {name or "other" for name, _sign in signs} == set(OUTCOMES)
        assert len({sign for _name, sign in signs}) == len(OUTCOMES)


def chart_variables(scheme):
    css = (STATIC / "charts.css").read_text()
    block = re.search(rf'html\[data-theme="{scheme}"\] {{(.*?)}}', css, re.DOTALL)[1]
    first = re.search(r":root {(.*?)}", css.partition("@media")[0 if scheme == "light" else 2], re.DOTALL)[1]
    found = dict(re.findall(r"--cmc-([\w-]+): (#[0-9a-f]{6});", block))
    assert found == dict(re.findall(r"--cmc-([\w-]+): (#[0-9a-f]{6});", first))
    return found


@pytest.mark.parametrize("scheme", BACKGROUNDS)
class TestPictures:
    def test_part_a_period_from_the_one_before(self, scheme):
        colours = chart_variables(scheme)

        for one, other in itertools.combinations((colours["now"], colours["before"], BACKGROUNDS[scheme]), 2):
            assert contrast(one, other) >= 3

    def test_have_levels_that_differ_in_lightness(self, scheme):
        colours = chart_variables(scheme)
        lights = [luminance(BACKGROUNDS[scheme])] + [
            luminance(colours[f"level-{level}"]) for level in range(1, 6)
        ]

        assert lights == sorted(lights, reverse=scheme == "light")
        assert all(
            contrast(colours[f"level-{level}"], colours[f"level-{level + 1}"]) >= 1.3 for level in range(1, 5)
        )

    def test_have_numbers_that_can_be_read(self, scheme):
        colours = chart_variables(scheme)

        for level in range(1, 6):
            text = colours["level-dark-text" if level <= 3 else "level-light-text"]
            assert contrast(colours[f"level-{level}"], text) >= 4.5
