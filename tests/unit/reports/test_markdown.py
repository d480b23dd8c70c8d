"""The Markdown report as a whole."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.analysis.analyse import analyse
from orchestrator.reports import markdown
from tests.examples import example_run
from tests.unit.reports.made_runs import swept
from tests.unit.reports.snapshots import assert_as_kept


def test_text_is_as_kept():
    run = example_run()
    assert_as_kept("markdown.md", markdown.render(run, analyse(run)))


def test_an_incomplete_run_says_so():
    run = replace(example_run(), complete=False)
    assert "**Incomplete**" in markdown.render(run, analyse(run))


def test_the_points_of_a_sweep_have_tables_of_their_own():
    text = markdown.render(swept(), analyse(swept()))
    assert text.count("### grayscale ") == 7
    assert "### grayscale 64x64\n" in text


def test_warnings_do_not_run_into_the_table_above():
    run = replace(example_run(), complete=False)
    lines = markdown.render(run, analyse(run)).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("- warning"))
    assert lines[first - 1] == ""
