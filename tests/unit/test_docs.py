"""The docs agree with the code, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import jsonschema
import pytest

from benchmarks.shared import claims
from orchestrator import results
from tests.examples import example_run
from worker.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_up_to_date(made):
    assert (DOCS / "reference" / "commands.md").read_text() == made.commands(), "run 'make docs'"


def test_the_schema_is_up_to_date(made):
    assert (DOCS / "result.schema.json").read_text() == made.schema(), "run 'make docs'"


def test_a_result_file_follows_the_schema():
    schema = json.loads((DOCS / "result.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(results.dumps(example_run())), schema)


def test_a_result_that_lacks_its_cells_does_not_follow_the_schema():
    document = json.loads(results.dumps(example_run()))
    del document["cells"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads((DOCS / "result.schema.json").read_text()))


def test_every_quoted_figure_is_in_the_table_that_it_links_to():
    faults = [fault for quote in claims.quotes(ROOT) if (fault := claims.wrong(ROOT, quote))]
    assert not faults, "\n".join(faults)


def test_the_list_of_figures_is_up_to_date():
    assert claims.index(ROOT) in (ROOT / claims.INDEX).read_text(), "run 'make docs'"


PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def links(page: Path) -> list[tuple[str, str]]:
    """The relative links of a page: the file, empty for the page itself, and the heading."""
    found = re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text())
    return [(file, heading) for file, heading in found if "://" not in file and "mailto:" not in file]


def headings(page: Path) -> set[str]:
    """The headings of a page as GitHub names them in links."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    dead = []
    for file, heading in links(page):
        target = (page.parent / file) if file else page
        if not target.exists() or (heading and heading not in headings(target)):
            dead.append(f"{file}#{heading}")
    assert dead == []


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page not in reached:
            reached.add(page)
            waiting += [page.parent / file for file, _ in links(page) if file.endswith(".md")]
    assert set(PAGES) - reached == set()


def test_every_setting_is_on_the_page_of_settings():
    text = (DOCS / "reference" / "settings.md").read_text()
    names = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_tests_and_scripts_that_pages_name_exist():
    named = {
        (page.name, path)
        for page in PAGES
        for path in re.findall(
            r"(?<![\w/])((?:tests|benchmarks|orchestrator|worker)/[\w/]+\.py)\b", page.read_text()
        )
    }
    named |= {
        ("security.md", f"tests/{path}")
        for path in re.findall(
            r"`((?:unit|integration|fuzz|browser|security)/[\w/.]+)`",
            (DOCS / "reference" / "security.md").read_text(),
        )
    }
    assert {each for each in named if not (ROOT / each[1]).exists()} == set()


def test_every_promise_of_security_names_a_test():
    promises = (
        (DOCS / "reference" / "security.md").read_text().split("## What we promise")[1].split("\n## ")[0]
    )
    rows = [line for line in promises.splitlines() if line.startswith("| **")]
    assert rows
    assert [row for row in rows if not re.search(r"\| (`\w+/[\w/]+\.py`(, )?)+ \|$", row)] == []
