"""How long all inputs of a function take by each row, and what the function was seen to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.function import FunctionFindings, function_findings
from orchestrator.model.runs import Cell, CellResult, Function, Run, Sample
from orchestrator.phrases.function import duration, introduction, row_texts, rows_heading, trait_sentence
from orchestrator.phrases.headline import headline
from orchestrator.reports import html, markdown, terminal
from tests.examples import example_run

COMPUTES = Function(
    "jobs:f", "range(1000)", 1_000, 1_000, 0.01, 0.02, 1_000, 2_000, calls=4_217, about_s=58.0
)
WAITS = replace(COMPUTES, waiting=0.96, many_slots=16)


def made(function: Function, **makespans_s: float) -> Run:
    """A run of ten tasks a batch, by strategy."""
    run = example_run()
    cells = tuple(
        CellResult(
            Cell("function", function.name, strategy, 1 if strategy == "serial" else 2),
            0.1,
            tuple(Sample(round_, 0, 0.0, makespan_s, 10, ok=10) for round_ in range(7)),
        )
        for strategy, makespan_s in makespans_s.items()
    )
    plan = replace(run.plan, images=10, function=function, cells=tuple(each.cell for each in cells))
    return replace(run, plan=plan, cells=cells, proof=None)


def found(function: Function, **makespans_s: float) -> FunctionFindings:
    findings = function_findings(made(function, **makespans_s), None)
    assert findings is not None
    return findings


def test_each_row_is_extrapolated_to_all_inputs_the_shortest_first() -> None:
    rows = found(COMPUTES, serial=0.1, threads=0.1, processes=0.05).rows
    assert [(row.cell.strategy, row.total_s, row.speedup) for row in rows] == [
        ("processes", pytest.approx(5.0), pytest.approx(2.0)),
        ("serial", pytest.approx(10.0), 1.0),
        ("threads", pytest.approx(10.0), 1.0),
    ]


@pytest.mark.parametrize(
    ("function", "threads_s", "trait"),
    [
        (COMPUTES, 0.1, "holds the GIL"),
        (COMPUTES, 0.055, "releases the GIL"),
        (COMPUTES, 0.08, "computes"),
        (WAITS, 0.05, "waits"),
        (replace(COMPUTES, waiting=0.4), 0.1, "computes"),
    ],
)
def test_what_it_was_seen_to_do_follows_from_its_waiting_and_from_threads(
    function: Function, threads_s: float, trait: str
) -> None:
    assert found(function, serial=0.1, threads=threads_s).trait == trait


def test_a_row_that_fails_tasks_or_gives_wrong_outputs_has_no_time_and_says_nothing_about_the_gil() -> None:
    run = made(COMPUTES, serial=0.1, threads=0.001, processes=0.05)
    serial, threads, processes = run.cells
    for what in ({"ok": 0, "failed": 10}, {"ok": 0, "wrong": 10}, {"ok": 9, "failed": 1}):
        bad = replace(threads, samples=tuple(replace(each, **what) for each in threads.samples))
        findings = function_findings(replace(run, cells=(serial, bad, processes)), None)
        assert findings is not None
        assert [row.cell.strategy for row in findings.rows] == ["processes", "serial"]
        assert findings.trait == "computes"


def test_without_celery_the_headline_names_the_row_that_took_the_least_time() -> None:
    said = headline(analyse(made(WAITS, serial=0.1, threads=0.05)))
    assert said.text == "Threads with jobs:f on 2 slots took the least time"
    assert "leave --strategy out for both" in said.lead


def test_there_is_nothing_without_a_function() -> None:
    assert analyse(example_run()).function is None


def test_the_rows_and_what_follows_are_said() -> None:
    run = made(WAITS, serial=0.1, threads=0.05)
    findings = analyse(run)
    assert findings.function is not None
    assert rows_heading(findings.function) == (
        "Time for all 1,000 inputs of jobs:f, extrapolated from batches of 10:"
    )
    assert [row_texts(row) for row in findings.function.rows] == [
        ("threads", "2 slots", "5.00 s", "2.0× faster"),
        ("serial", "1 slot", "10.0 s", ""),
    ]
    assert "waits 96 % of its time, so more slots than processors help" in trait_sentence(findings.function)
    for text in (terminal.render(run, findings), markdown.render(run, findings)):
        assert "Time for all 1,000 inputs" in text


def test_the_page_answers_for_a_function_without_a_row_of_celery() -> None:
    run = made(WAITS, serial=0.1, threads=0.05)
    findings = analyse(run)
    page = html.render(run, findings).partition('<script type="application/json"')[0]
    assert page.count('href="#answer"') == page.count('id="answer"') == 1
    assert "Time for all 1,000 inputs of jobs:f" in page
    assert findings.function is not None
    assert trait_sentence(findings.function) in page
    assert page.count("Noise: ") == 1
    assert "whether Celery pays" not in page


def test_sentences_name_the_function_and_the_options_that_it_has() -> None:
    run = made(COMPUTES, serial=0.1, threads=0.1, celery=0.4)
    served = run.cells[-1].cell
    short = replace(
        run.cells[-1], samples=tuple(replace(each, slots_seen=1) for each in run.cells[-1].samples)
    )
    run = replace(
        run, cells=(*run.cells[:-1], replace(short, cell=replace(served, transport="redis", chunk=1)))
    )
    findings = analyse(run)
    said = headline(findings)
    assert said.text == "Celery hurts in jobs:f"
    assert "Use one thread for jobs:f" in said.lead
    page = html.render(run, findings).partition('<script type="application/json"')[0]
    told = [terminal.render(run, findings, table=True), markdown.render(run, findings), said.lead, page]
    assert not [
        text for text in told if "in function" in text or "for function" in text or "--images" in text
    ]
    assert any("more --inputs or a larger --budget" in text for text in told)


def test_the_page_of_one_side_of_a_gate_says_where_the_other_is() -> None:
    said = headline(analyse(replace(made(COMPUTES, serial=0.1), command="gate")))
    assert said.text == "One side of a gate: jobs:f"
    assert "'orchestrator compare' takes both" in said.lead


def test_a_function_is_introduced_with_how_often_it_will_be_called() -> None:
    plan = replace(made(WAITS, serial=0.1).plan, rounds=11)
    assert introduction(plan, WAITS) == (
        "jobs:f: 10.0 ms an input, 96 % waiting, 1.00 kB in, 2.00 kB out; will be called about 4,200 times in about "
        "58 s (11 rounds of 10 inputs)"
    )


def test_long_times_have_long_units() -> None:
    assert [duration(value) for value in (3.4, 119, 720, 7200 * 2.6)] == [
        "3.40 s",
        "119 s",
        "12 min",
        "5.2 h",
    ]
