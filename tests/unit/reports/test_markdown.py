"""The Markdown report as a whole."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.analysis.findings import analyse
from orchestrator.reports import markdown
from tests.examples import example_run
from tests.unit.reports.snapshots import assert_as_kept


def test_text_is_as_kept():
    run = example_run()
    assert_as_kept("markdown.md", markdown.render(run, analyse(run)))


def test_an_incomplete_run_says_so():
    run = replace(example_run(), complete=False)
    assert "**Incomplete**" in markdown.render(run, analyse(run))
