"""What strangers see first says the same everywhere: metadata, workflows, forms, supported versions."""

from __future__ import annotations

import configparser
import itertools
import re
import subprocess
import tomllib

import pytest

from cmc_webhooks import __version__
from tests.helpers import pages

yaml = pytest.importorskip("yaml")

ROOT = pages.ROOT
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ADDRESS = r"github(usercontent)?\.com/[a-z-]*/django-cmc[a-z-]*"
DRIVERS = {"postgresql", "mysql"}


def tox():
    """Return tox.ini."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini")
    return parser


def expanded(name):
    """Return the environments that a name with braces stands for: `core-{sqlite,mariadb}` for two."""
    parts = [part.split(",") for part in re.split(r"[{}]", name)]
    return {"".join(part) for part in itertools.product(*parts)}


def environments():
    """Return the names of all environments of tox.ini."""
    parser = tox()
    names = parser["tox"]["env_list"].split() + [
        section.removeprefix("testenv:") for section in parser.sections() if section.startswith("testenv:")
    ]
    return set().union(*map(expanded, names))


def jobs():
    """Yield each job of each workflow, with what is called for."""
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            yield f"{path.name}, {name}", job


def called():
    """Yield where, environment and Python of each call of tox in the workflows."""
    for where, job in jobs():
        matrix = job.get("strategy", {}).get("matrix", {})
        rows = matrix.get("include") or [{"tox": name} for name in matrix.get("tox", [])] or [{}]
        [python] = [
            step["with"]["python-version"]
            for step in job["steps"]
            if step.get("uses", "").startswith("actions/setup-python@")
        ] or [None]
        for step, row in itertools.product(job["steps"], rows):
            for name in re.findall(r"tox run -e (\S+)", step.get("run", "")):
                chosen = {'"$TOX"': row.get("tox"), "${{ matrix.python }}": row.get("python")}
                yield where, chosen.get(name, name), chosen.get(python, python)


def classified(topic):
    """Return the versions in the classifiers of a topic."""
    found = [re.fullmatch(rf"{topic} :: (\d+\.\d+)", one) for one in PROJECT["classifiers"]]
    return [match[1] for match in found if match]


class TestPackage:
    def test_names_its_addresses(self):
        urls = PROJECT["urls"]
        source = urls["Source"]

        assert set(urls) == {"Documentation", "Source", "Changelog", "Issues", "Security"}
        assert [urls[name] for name in ("Changelog", "Issues", "Security")] == [
            f"{source}/blob/main/CHANGELOG.md",
            f"{source}/issues",
            f"{source}/security/policy",
        ]

    def test_has_one_address_everywhere(self):
        files = subprocess.run(  # noqa: S603 - our own words
            ["git", "grep", "-hoIE", rf"{ADDRESS}|[a-z-]*\.readthedocs\.io"],  # noqa: S607
            cwd=ROOT,
            capture_output=True,
            text=True,
        ).stdout
        owner = PROJECT["urls"]["Source"].removeprefix("https://")
        known = {owner, owner.replace("github.com", "githubusercontent.com")}

        assert set(files.split()) <= known | {
            PROJECT["urls"]["Documentation"].strip("/").removeprefix("https://")
        }

    def test_locks_out_no_newer_django_or_python(self):
        django = [one for one in PROJECT["dependencies"] if one.startswith("django>")]

        assert django == ["django>=5.2.1"]
        assert PROJECT["requires-python"] == f">={classified('Programming Language :: Python')[0]}"

    def test_all_is_all_extras_but_the_drivers(self):
        extras = PROJECT["optional-dependencies"]
        named = re.fullmatch(r"django-cmc-webhooks\[(.+)\]", *extras["all"])[1]

        assert set(named.split(",")) == set(extras) - DRIVERS - {"all"}

    def test_is_a_beta_until_1_0(self):
        [status] = [one for one in PROJECT["classifiers"] if one.startswith("Development Status")]

        assert (status == "Development Status :: 4 - Beta") == __version__.startswith("0.")
        minor = ".".join(__version__.split(".")[:2])
        assert f"| {minor}.x, the latest minor release | yes |" in (ROOT / "SECURITY.md").read_text()
        for language in pages.LANGUAGES:
            assert re.search(
                rf"(?<![\d.]){re.escape(minor)}(?![\d.]*\d)", pages.text("reference/python", language)
            )


class TestVersions:
    PYTHONS = classified("Programming Language :: Python")
    DJANGOS = classified("Framework :: Django")

    def test_are_those_that_tox_has(self):
        pairs = [re.match(r"py3(\d+)-django(\d)(\d)", name) for name in environments()]
        pythons = {f"3.{pair[1]}" for pair in pairs if pair}
        djangos = {f"{pair[2]}.{pair[3]}" for pair in pairs if pair}

        assert (sorted(pythons), sorted(djangos)) == (self.PYTHONS, self.DJANGOS)
        for django in self.DJANGOS:
            major, minor = django.split(".")
            line = f"django{major}{minor}: django>={django},<{major}.{int(minor) + 1}"
            assert line in tox()["testenv"]["deps"]

    def test_are_those_that_workflows_run(self):
        run = list(called())
        pairs = {(python, name) for _, name, python in run if re.match(r"py3\d+-", name)}

        assert {python for _, _, python in run} == set(self.PYTHONS)
        assert [pair for pair in pairs if f"py{pair[0].replace('.', '')}" != pair[1].partition("-")[0]] == []
        assert {".".join(name.split("-")[1].removeprefix("django")) for _, name in pairs} == set(self.DJANGOS)

    @pytest.mark.parametrize("language", pages.LANGUAGES)
    def test_are_those_that_the_docs_name(self, language):
        separator = {"en": ", ", "ja": "、"}[language]
        table = pages.text("reference/python", language)
        images = {service["image"] for _, job in jobs() for service in job.get("services", {}).values()}
        servers = re.search(r"PostgreSQL (\d+)\D+MariaDB ([\d.]+) \|", table)

        assert f"| Python | {separator.join(self.PYTHONS)} |" in table
        assert (
            re.findall(r"(?<![\d.])\d\.\d(?![\d.])", re.search(r"\| Django \| (.+) \|", table)[1])
            == self.DJANGOS
        )
        assert {f"postgres:{servers[1]}", f"mariadb:{servers[2]}"} <= images

    @pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
    def test_are_those_that_the_readme_names(self, name):
        ends = [self.PYTHONS[0], self.PYTHONS[-1], "5.2.1", *self.DJANGOS]
        lines = [line for line in (ROOT / name).read_text().splitlines() if all(one in line for one in ends)]

        assert lines, f"{name} has no line with the supported versions: {ends}"


class TestWorkflows:
    def test_call_environments_that_tox_has(self):
        missing = [f"{where}: {name}" for where, name, _ in called() if name not in environments()]

        assert list(called())
        assert missing == []

    def test_have_what_ci_has(self):
        """`.ci/run` uses shared environments to save time; what it names itself, a workflow has too."""
        script = "".join((ROOT / ".ci" / name).read_text() for name in ("run", "full"))
        named = {each for found in re.findall(r"run_tox ([\w,-]+)", script) for each in found.split(",")} - {
            "quick"
        }

        assert named - {name for _, name, _ in called()} == set()

    def test_pin_actions_to_commits(self):
        used = [
            line.partition("uses:")[2].strip()
            for path in WORKFLOWS
            for line in path.read_text().splitlines()
            if "uses:" in line
        ]

        assert used
        assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", one)] == []

    def test_give_no_rights_but_to_publish(self):
        for path in WORKFLOWS:
            assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}, path.name
        rights = {where: set(job["permissions"]) for where, job in jobs() if "permissions" in job}
        assert rights == {"release.yml, publish": {"id-token", "attestations"}}


class TestForms:
    def test_are_checked_by_lint(self):
        commands = tox()["testenv:lint"]["commands"]
        files = [path.relative_to(ROOT).as_posix() for path in GITHUB.rglob("*.yml")]

        assert [file for file in files if file not in commands] == []
