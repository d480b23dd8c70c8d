"""What `compare` prints for runs with given figures."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.analysis.verdicts.regressions import compare
from orchestrator.model.environment import Load
from orchestrator.model.runs import Run
from orchestrator.reports.comparison import COMPARISON_REPORTS
from tests.unit.analysis.made_runs import (
    INLINE,
    REDIS,
    RESIDENT,
    SERIAL,
    SERIAL_AGAIN,
    STEADY,
    THREADS,
    result,
    run_at,
    run_of,
)

OLD = run_at({SERIAL: 1.0, THREADS: 0.5, REDIS: 2.0, SERIAL_AGAIN: 1.0})
SLOWER = replace(run_at({SERIAL: 1.0, THREADS: 0.5, REDIS: 2.4, SERIAL_AGAIN: 1.0}), id="after")
ELSEWHERE = replace(SLOWER, environment=replace(SLOWER.environment, python="3.14.0"))


def rendered(format_: str, old: Run, new: Run) -> str:
    return COMPARISON_REPORTS[format_](compare(old, new), old, new)


def test_the_terminal_report_shows_each_cell_s_change_with_its_interval_and_verdict() -> None:
    assert rendered("terminal", OLD, SLOWER) == (
        "old made of 2026-01-01 00:00, 7 rounds\n"
        "new after of 2026-01-01 00:00, 7 rounds\n"
        "changes count from 5 % on: the new run's margin is 5 %\n"
        "\n"
        "grayscale                          change\n"
        "numpy     serial                1  +0.0 %   -1.5 to +1.5 % same\n"
        "          threads               2  +0.0 %   -1.5 to +1.5 % same\n"
        "          celery redis/4        2 +20.0 % +18.2 to +21.8 % regression\n"
        "\n"
        "The change is that of the makespan: +10 % takes 10 % longer than before.\n"
        "Inconclusive means that the rounds show neither a change nor that there is none:\n"
        "measure more rounds. Intervals: 95 %.\n"
        "\n"
        "regression grayscale numpy celery redis/4 on 2 +20.0 % +18.2 to +21.8 %\n"
        "1 regression, 2 same; the median cell takes 1.00 times as long as before\n"
    )


@pytest.mark.parametrize("format_", ["terminal", "markdown"])
def test_what_disturbed_either_run_is_repeated_and_whose_it_was(format_: str) -> None:
    busy = replace(OLD, loads=(Load(0, 0.3, None, None, None), Load(1, 0.0, None, None, None)))
    stolen = replace(SLOWER, loads=(Load(0, 0.0, 0.2, None, None),))
    text = " ".join(rendered(format_, busy, stolen).split())
    of_busy = "other processes took more than 10 % of the CPU in 1 of 2 rounds, up to 30 %"
    of_stolen = "the hypervisor took more than 2 % of the CPU in 1 of 1 round, up to 20 %"
    assert f"the old run was disturbed: {of_busy}" in text
    assert f"the new run was disturbed: {of_stolen}" in text
    assert "disturbed" not in rendered(format_, OLD, SLOWER)


def test_the_json_document_holds_what_disturbed_either_run() -> None:
    busy = replace(OLD, loads=(Load(0, 0.3, None, None, None),))
    assert json.loads(rendered("json", OLD, SLOWER))["disturbances"] == {"old": [], "new": []}
    told = json.loads(rendered("json", busy, SLOWER))["disturbances"]
    assert ([each["kind"] for each in told["old"]], told["new"]) == (["other load"], [])


def test_a_run_held_against_itself_is_called_that() -> None:
    said = "ld and new are the same run, so there is no change to find"
    assert rendered("terminal", OLD, OLD).startswith(f"O{said}\n")
    assert f"- o{said}\n" in rendered("markdown", OLD, OLD)
    busy = replace(OLD, loads=(Load(0, 0.3, None, None, None),))
    assert rendered("terminal", busy, busy).count("warning: the run was disturbed: ") == 1
    assert said not in rendered("terminal", OLD, SLOWER) + rendered("markdown", OLD, SLOWER)
    assert [json.loads(rendered("json", OLD, new))["same_run"] for new in (OLD, SLOWER)] == [True, False]


@pytest.mark.parametrize("format_", COMPARISON_REPORTS)
def test_cells_of_one_run_alone_are_named(format_: str) -> None:
    new = run_at({SERIAL: 1.0, INLINE: 2.0})
    text = rendered(format_, OLD, new)
    if format_ == "json":
        document = json.loads(text)
        assert [cell["strategy"] for cell in document["only_old"]] == ["threads", "celery"]
        assert [cell["transport"] for cell in document["only_new"]] == ["inline"]
    else:
        assert "only in the old run: grayscale: threads with numpy on 2 slots\n" in text
        assert "only in the new run: grayscale: Celery with numpy on 2 slots (inline, chunk 1)\n" in text


@pytest.mark.parametrize("format_", ["terminal", "markdown"])
def test_many_cells_of_one_run_alone_are_counted_by_stage(format_: str) -> None:
    many = {replace(THREADS, slots=slots): 1.0 for slots in range(3, 11)}
    text = rendered(format_, run_at({SERIAL: 1.0, **many}), run_at({SERIAL: 1.0}))
    assert "only in the old run: grayscale: 8 cells\n" in text


def test_across_machines_every_line_with_a_finding_says_so() -> None:
    text = rendered("terminal", OLD, ELSEWHERE)
    assert "across: Python 3.13.1 and 3.14.0\n" in text
    rows = [line for line in text.splitlines() if " to +" in line]
    assert len(rows) == 3 + 1
    assert all(line.endswith("(across)") for line in rows)
    assert text.splitlines()[-1].endswith("(across)")


def test_across_machines_every_row_of_the_markdown_says_so() -> None:
    text = rendered("markdown", OLD, ELSEWHERE)
    rows = [line for line in text.splitlines() if line.startswith("|") and "numpy" in line]
    assert len(rows) == 3
    assert all("(across)" in row for row in rows)


def test_on_one_machine_nothing_says_across() -> None:
    assert "across" not in rendered("terminal", OLD, SLOWER) + rendered("markdown", OLD, SLOWER)


@pytest.mark.parametrize("format_", ["terminal", "markdown"])
def test_a_noisy_pair_raises_the_threshold_and_is_named(format_: str) -> None:
    noisy = run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.3})
    assert (
        "changes count from 30 % on: the old run's A/A pair, one cell measured twice, shows 1.30 times"
    ) in " ".join(rendered(format_, noisy, OLD).split())


def test_the_markdown_begins_with_the_outcome_and_the_regressions() -> None:
    new = run_at({SERIAL: 1.0, THREADS: 0.4, REDIS: 2.4})
    lines = rendered("markdown", OLD, new).splitlines()
    assert lines[0] == "**Breakeven: regression** (1 regression, 1 improvement, 1 same)"
    rows = [line.split(" | ")[0] for line in lines if "| grayscale |" in line]
    assert rows == ["| **regression**", "| improvement", "| same"]
    assert lines.index("</details>") > lines.index(
        "<details><summary>1 without a significant change</summary>"
    )


def test_a_row_of_the_markdown_has_both_makespans() -> None:
    assert (
        "| **regression** | grayscale | numpy | celery redis/4 | 2 | 2.00 s | 2.40 s | +20.0 % "
        "| +18.2 to +21.8 % |"
    ) in rendered("markdown", OLD, SLOWER)


@pytest.mark.parametrize("format_", ["terminal", "markdown"])
def test_an_unsound_cell_is_invalid_and_said_why(format_: str) -> None:
    text = rendered(format_, run_at({SERIAL: 1.0}), run_of(result(SERIAL, STEADY, lost=1)))
    assert "serial with numpy lost or repeated tasks, or gave wrong outputs, in the new run" in " ".join(
        text.split()
    )
    assert "1 invalid" in text


def test_a_machine_that_changed_as_a_whole_is_pointed_out() -> None:
    new = run_at({SERIAL: 1.5, THREADS: 0.75, REDIS: 3.0})
    text = rendered("terminal", OLD, new)
    assert "all changed together, so check first if the machine changed" in " ".join(text.split())
    assert text.startswith("The median cell takes 1.50 times as long as before: all changed together")
    assert text.splitlines()[-1] == "3 regression; the median cell takes 1.50 times as long as before"


def test_every_regression_is_one_line_of_the_terminal_report() -> None:
    cells = [replace(REDIS, stage="grayscale", chunk=chunk, slots=4) for chunk in range(1, 31)]
    text = rendered("terminal", run_at(dict.fromkeys(cells, 1.0)), run_at(dict.fromkeys(cells, 2.0)))
    lines = [line for line in text.splitlines() if line.startswith("regression")]
    assert len(lines) == 30
    assert all(line.endswith(" %") and len(line) <= 80 for line in lines)
    assert text.splitlines()[-31:-1] == lines


def test_the_json_document_holds_the_evidence() -> None:
    document = json.loads(rendered("json", OLD, SLOWER))
    serial, _, redis = document["changes"]
    assert (document["old"], document["new"], document["regression"]) == ("made", "after", True)
    assert (document["across"], document["differences"]) == (False, [])
    assert document["threshold"] == pytest.approx(0.05)
    assert (serial["change"], redis["change"]) == ("same", "regression")
    assert redis["ratio"]["point"] == pytest.approx(1.2)
    assert redis["ratio"]["level"] == pytest.approx(0.947, abs=0.001)
    assert (redis["transport"], redis["chunk"]) == ("redis", 4)
    assert (redis["old_makespan_s"]["point"], redis["new_makespan_s"]["point"]) == pytest.approx(
        (2.0, 2.4), rel=1e-3
    )


def test_a_missing_ratio_is_null() -> None:
    document = json.loads(rendered("json", run_at({SERIAL: 1.0}), run_of(result(SERIAL, STEADY, lost=1))))
    assert document["changes"][0]["ratio"] is None


def test_too_few_rounds_show_a_point_and_no_interval() -> None:
    text = rendered("terminal", run_at({SERIAL: 1.0}), run_of(result(SERIAL, [1.5] * 4)))
    assert "serial                1 +50.0 %                inconclusive\n" in text


def test_an_incomplete_run_is_called_so() -> None:
    assert "7 rounds, INCOMPLETE\n" in rendered("terminal", replace(OLD, complete=False), SLOWER)


def test_the_terminal_report_fits_80_columns() -> None:
    swept = replace(RESIDENT, width=1024, height=768)
    times = {RESIDENT: 1.0, swept: 1.0}
    text = rendered("terminal", run_at(times), run_at(dict.fromkeys(times, 20.0)))
    assert max(map(len, text.splitlines())) <= 80
    assert "+1900 %" in text
