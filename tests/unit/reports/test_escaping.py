"""Text of a hostile result has no effect in any report: no markup, formula, mention or cursor movement."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.verdicts.regressions import compare
from orchestrator.model.runs import Run, TaskFailure
from orchestrator.reports import comparison, html, markdown, terminal
from orchestrator.reports import csv as csv_report
from orchestrator.reports.escaping import in_code, in_csv, in_markdown
from tests.examples import example_run

EVIL = [
    "[red]x[/]",
    "[/red]",
    "[link=http://evil]x[/link]",
    ":boom:",
    "a|b",
    "`x`",
    "<img src=x>",
    "*x* _y_ ~z~",
    "[x](http://evil)",
    "@everyone #1",
    "</script><script>alert(1)</script>",
    "{{ 7 * 7 }}",
]


def named(text: str) -> Run:
    """A run in which every name is the text."""
    run = example_run()
    cells = tuple(
        replace(
            each,
            cell=replace(each.cell, stage=text, kernel=text),
            failures=(TaskFailure(1, text, text),),
        )
        for each in run.cells
    )
    plan = replace(run.plan, profile=text, source=text, cells=tuple(each.cell for each in cells))
    return replace(run, command=text, cells=cells, plan=plan)


@pytest.mark.parametrize("text", EVIL)
def test_a_terminal_shows_a_name_as_it_is(text: str) -> None:
    run = named(text)
    shown = terminal.render(run, analyse(run))
    assert f"\n{text.partition(' ')[0]}" in shown
    assert comparison.render_terminal(compare(run, run), run, run)


@pytest.mark.parametrize("text", EVIL)
def test_markdown_has_its_own_markup_and_no_other(text: str) -> None:
    run, plain = named(text), named("plain")
    for render in (
        lambda each: markdown.render(each, analyse(each)),
        lambda each: comparison.render_markdown(compare(each, each), each, each),
    ):
        shown, expected = (re.sub(r"`[^`\n]*`", "code", render(each)) for each in (run, plain))
        assert shown.count("\n") == expected.count("\n")
        for sign in ("|", "`", "<", "["):
            left = re.sub(r"\\.|[@#]<!-- -->", "", shown)
            assert left.count(sign) == expected.count(sign), sign
        assert not re.search(r"(?<!\\)[@#]\w", shown)


@pytest.mark.parametrize("text", EVIL)
def test_a_page_has_the_same_elements_for_any_names(text: str) -> None:
    run, plain = named(text), named("plain")
    elements = [re.findall(r"<(\w+)", html.render(each, analyse(each))) for each in (run, plain)]
    assert elements[0] == elements[1]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"])
def test_a_spreadsheet_computes_nothing(text: str) -> None:
    run = named(text)
    rows = list(csv.DictReader(io.StringIO(csv_report.render(run, analyse(run)))))
    assert {row["kernel"] for row in rows} == {f"'{text}"}
    assert {row["makespan_s"][0] for row in rows} <= set("0123456789")


def test_a_negative_figure_stays_a_figure() -> None:
    assert in_csv(-0.5) == -0.5
    assert in_csv("redis") == "redis"


def test_ordinary_text_stays_as_it_is() -> None:
    said = "Celery with numpy on 2 slots (redis, chunk 1) took 2.02 times as long; use --rounds 7 or more."
    assert in_markdown(said) == said
    assert in_code("run") == "`run`"
    assert in_code("a`b\nc") == "`a'b c`"
