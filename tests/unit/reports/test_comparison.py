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
    STEADY,
    THREADS,
    result,
    run_at,
    run_of,
    run_of_kernels,
)

OLD = run_of_kernels()
SLOWER = replace(run_of_kernels({REDIS: 1.3}), id="after")
ELSEWHERE = replace(SLOWER, environment=replace(SLOWER.environment, python="3.14.0"))


def rendered(format_: str, old: Run, new: Run) -> str:
    return COMPARISON_REPORTS[format_](compare(old, new), old, new)


def test_the_terminal_report_shows_each_cell_s_change_with_its_interval_and_verdict() -> None:
    lines = rendered("terminal", OLD, SLOWER).splitlines()
    assert lines[:9] == [
        "old made of 2026-01-01 00:00, 7 rounds",
        "new after of 2026-01-01 00:00, 7 rounds",
        "changes count from 5 % on (the new run's margin), and are sure here from 13 % on",
        "in a single row, from 7.2 % on in a kernel",
        "everything takes 1.00 times as long as before; changes are counted from there",
        "",
        "grayscale                          change",
        "numpy     serial                1  +0.0 %   -5.1 to +5.3 % same",
        "          threads               2  +0.0 %   -5.1 to +5.3 % same",
    ]
    assert lines[9] == "          celery redis/4        2 +30.0 % +23.4 to +36.9 % regression"
    assert lines[-6:] == [
        "The change is that of the makespan, without what all rows changed by: +10 %",
        "takes 10 % longer. Same means that no change was found; inconclusive, that one",
        "is likely but not sure: measure both again. Intervals: 95 %.",
        "",
        "regression grayscale numpy celery redis/4 on 2 +30.0 % +23.4 to +36.9 %",
        "1 regression, 35 same",
    ]


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
    old, new = run_at({SERIAL: 1.0, THREADS: 0.5, REDIS: 2.0}), run_at({SERIAL: 1.0, INLINE: 2.0})
    text = rendered(format_, old, new)
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
    assert len(rows) == 36 + 1
    assert all(line.endswith("(across)") for line in rows)
    assert text.splitlines()[-1].endswith("(across)")


def test_across_machines_every_row_of_the_markdown_says_so() -> None:
    text = rendered("markdown", OLD, ELSEWHERE)
    rows = [line for line in text.splitlines() if line.startswith("|") and "| grayscale |" in line]
    assert len(rows) == 36
    assert all("(across)" in row for row in rows)


def test_on_one_machine_nothing_says_across() -> None:
    assert "across" not in rendered("terminal", OLD, SLOWER) + rendered("markdown", OLD, SLOWER)


@pytest.mark.parametrize("format_", COMPARISON_REPORTS)
def test_a_slower_kernel_is_told_once(format_: str) -> None:
    text = rendered(format_, OLD, run_of_kernels({SERIAL: 1.3, THREADS: 1.3, REDIS: 1.3}))
    if format_ == "json":
        assert [each["kernel"] for each in json.loads(text)["groups"]] == ["numpy"]
    elif format_ == "markdown":
        assert "- regression: grayscale numpy, all 3 rows take 1.30 times as long (" in text
    else:
        (line,) = [line for line in text.splitlines() if line.startswith("regression")]
        assert line.startswith("regression grayscale numpy, all 3 rows +30.0 % ")


@pytest.mark.parametrize("format_", ["terminal", "markdown"])
def test_a_kernel_that_only_its_serial_row_shows_is_told_by_that_row(format_: str) -> None:
    text = rendered(format_, OLD, run_of_kernels({SERIAL: 1.3, THREADS: 1.1, REDIS: 1.05}))
    figure = "takes 1.30 times as long (" if format_ == "markdown" else "+30.0 % "
    assert f"grayscale numpy (by its serial row) {figure}" in text
    assert "1 regression of a kernel, " in text


def test_the_markdown_begins_with_the_outcome_and_the_regressions() -> None:
    lines = rendered("markdown", OLD, run_of_kernels({THREADS: 0.7, REDIS: 1.4})).splitlines()
    assert lines[0] == "**Breakeven: regression** (1 regression, 1 improvement, 34 same)"
    rows = [line.split(" | ")[0] for line in lines if "| grayscale |" in line]
    assert rows[:3] == ["| **regression**", "| improvement", "| same"]
    assert lines.index("</details>") > lines.index(
        "<details><summary>34 without a significant change</summary>"
    )


def test_a_row_of_the_markdown_has_both_makespans() -> None:
    assert (
        "| **regression** | grayscale | numpy | celery redis/4 | 2 | 2.00 s | 2.60 s | +30.0 % "
        "| +23.4 to +36.9 % |"
    ) in rendered("markdown", OLD, SLOWER)


@pytest.mark.parametrize("format_", ["terminal", "markdown"])
def test_an_unsound_cell_is_invalid_and_said_why(format_: str) -> None:
    text = rendered(format_, run_at({SERIAL: 1.0}), run_of(result(SERIAL, STEADY, lost=1)))
    assert "serial with numpy lost or repeated tasks, or gave wrong outputs, in the new run" in " ".join(
        text.split()
    )
    assert "1 invalid" in text


def test_a_machine_that_changed_as_a_whole_is_pointed_out_first() -> None:
    text = rendered("terminal", OLD, run_of_kernels(everything=1.5))
    assert text.startswith("Everything takes 1.50 times as long as before (")
    assert "the machine or its load changed; changes are counted from there" in " ".join(text.split())
    assert text.splitlines()[-1] == "36 same"


def test_every_regression_is_one_line_of_the_terminal_report() -> None:
    slower = {replace(REDIS, kernel=kernel): 2.0 for kernel in ("numpy", "other-3", "other-7")}
    text = rendered("terminal", OLD, run_of_kernels(slower))
    lines = [line for line in text.splitlines() if line.startswith("regression")]
    assert len(lines) == 3
    assert all(line.endswith(" %") and len(line) <= 80 for line in lines)
    assert text.splitlines()[-4:-1] == lines


def test_the_json_document_holds_the_evidence() -> None:
    document = json.loads(rendered("json", OLD, SLOWER))
    serial, _, redis = document["changes"][:3]
    assert (document["old"], document["new"], document["regression"]) == ("made", "after", True)
    assert (document["across"], document["differences"]) == (False, [])
    assert (document["margin"], document["groups"]) == (0.05, [])
    assert document["shift"]["point"] == pytest.approx(1.0)
    assert (serial["change"], redis["change"]) == ("same", "regression")
    assert redis["ratio"]["point"] == redis["rest"]["point"] == pytest.approx(1.3)
    assert redis["ratio"]["level"] == pytest.approx(0.962, abs=0.001)
    assert (redis["transport"], redis["chunk"]) == ("redis", 4)
    assert (redis["old_makespan_s"]["point"], redis["new_makespan_s"]["point"]) == pytest.approx(
        (2.0, 2.6), rel=1e-3
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
