"""The terminal report as a whole, and how it fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.analysis.findings import analyse
from orchestrator.reports import terminal
from tests.examples import example_run
from tests.unit.reports.snapshots import assert_as_kept


def test_text_is_as_kept():
    run = example_run()
    assert_as_kept("terminal.txt", terminal.render(run, analyse(run)))


def test_the_verdicts_are_last():
    run = example_run()
    text = terminal.render(run, analyse(run))
    assert text.rindex("\ngrayscale: ") > text.rindex("noise floor")


def test_no_line_is_wider_than_80_columns_or_ends_in_spaces():
    run = example_run()
    lines = terminal.render(run, analyse(run)).splitlines()
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []


def test_an_incomplete_run_says_so():
    run = replace(example_run(), complete=False)
    assert "INCOMPLETE" in terminal.render(run, analyse(run))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_width_holds_every_figure_whole(width):
    run = example_run()
    console = terminal.Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(terminal.report(run, analyse(run), width))
    text = console.export_text()
    assert "…" not in text
    assert text.count(" %") + text.count("%") >= 4
