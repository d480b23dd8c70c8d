"""What the docs say of the code is what the code says."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import jsonschema
import pytest

from orchestrator import results
from tests.examples import example_run

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


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")]), ids=lambda path: path.name
)
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    missing = [each for each in targets if "://" not in each and not (page.parent / each).exists()]
    assert missing == []
