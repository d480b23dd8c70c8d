"""The terminal report as a whole, and how it fits."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from orchestrator import results
from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.stats.intervals import throughput
from orchestrator.model.findings import Estimate, Observation, Verdict
from orchestrator.model.runs import Cell, Events, Run, TaskFailure
from orchestrator.reports import markdown, terminal
from orchestrator.reports.html import table_rows
from orchestrator.reports.terminal import screen
from tests.examples import example_run
from tests.unit.reports.made_runs import quick_sized
from tests.unit.reports.snapshots import assert_as_kept
from worker.payloads import TRANSPORTS


def whole(run: Run) -> str:
    """The report with its table."""
    return terminal.render(run, analyse(run), table=True)


def test_text_is_as_kept():
    run = example_run()
    assert_as_kept("terminal.txt", whole(run))
    assert_as_kept("answer.txt", terminal.render(run, analyse(run)))


def test_the_answer_fits_a_screen_and_ends_the_table():
    run = quick_sized()
    text = terminal.render(run, analyse(run))
    assert len(text.splitlines()) + 3 <= 24  # and the lines that name the files, and the prompt
    assert whole(run).endswith(text.split("\n", 1)[1])


def test_tasks_per_second_are_of_all_rounds_and_not_only_of_the_last():
    run = example_run()
    first = run.cells[0]
    *most, last = first.samples
    upset = replace(first, samples=(*most, replace(last, ok=1, failed=7)))
    run = replace(run, cells=(upset, *run.cells[1:]))
    found = throughput(upset)
    assert found is not None
    assert found.point == pytest.approx(800, rel=0.02)
    text = f"{found.point:.0f}"
    findings = analyse(run)
    assert f" {text} " in whole(run)
    assert f"| {text} |" in markdown.render(run, findings)
    assert table_rows([upset], findings)[0].throughput == text
    assert results.to_json(run)["cells"][0]["throughput_per_s"]["point"] == found.point


@pytest.mark.parametrize(
    ("rounds", "said"), [(7, "± is the 95 % interval."), (6, "± is the 95 % interval."), (5, None)]
)
def test_the_legend_has_the_level_of_intervals_that_the_rounds_allow(rounds: int, said: str | None):
    run = example_run()
    run = replace(run, cells=tuple(replace(each, samples=each.samples[:rounds]) for each in run.cells))
    text = " ".join(whole(run).split())
    assert said in text if said else "± is" not in text


def test_errors_that_are_not_shown_are_counted():
    run = example_run()
    (first, *others) = run.cells
    failures = tuple(TaskFailure(task, "ValueError", f"bad row {task}") for task in range(5))
    run = replace(run, cells=(replace(first, failures=failures), *others))
    text = terminal.render(run, analyse(run))
    assert "failed: ValueError: bad row 2" in text
    assert "bad row 3" not in text
    assert "failed: 2 more errors, which the result file has" in text


def test_the_answer_is_last():
    text = whole(example_run())
    assert text.index("Verdicts on") < text.index("On this machine") < text.index("Noise:")


def test_no_line_is_wider_than_80_columns_or_ends_in_spaces():
    run = example_run()
    lines = [*whole(run).splitlines(), *terminal.render(run, analyse(run)).splitlines()]
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []


def test_an_incomplete_run_says_so():
    run = replace(example_run(), complete=False)
    assert "INCOMPLETE" in terminal.render(run, analyse(run))


def test_a_narrow_terminal_loses_no_column(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert screen(io.StringIO()).width == 80
    monkeypatch.setenv("COLUMNS", "140")
    assert screen(io.StringIO()).width == 140


@pytest.mark.parametrize("width", [80, 120, 200])
def test_no_width_cuts_a_figure(width):
    run = example_run()
    shown = io.StringIO()
    screen(shown, width).print(terminal.report(run, analyse(run), width, table=True))
    text = shown.getvalue()
    assert "…" not in text
    assert text.count(" %") + text.count("%") >= 4


def with_events(run: Run, *asked: Events) -> Run:
    """The run with every Celery cell measured with each of these settings; the A/A pair has the last."""
    celery = [each for each in run.cells if each.cell.distributed]
    cells = [each for each in run.cells if not each.cell.distributed]
    for events in asked:
        among = celery if events == asked[-1] else celery[:1]
        cells += [replace(each, cell=replace(each.cell, events=events)) for each in among]
    return replace(run, cells=tuple(cells))


def test_cells_with_and_without_events_have_different_names_that_fit():
    run = with_events(example_run(), "on", "off")
    lines = whole(run).splitlines()
    rows = [line.split("  ")[5].strip() for line in lines if "celery redis/1" in line and "%" in line]
    assert rows == ["celery redis/1 events", "celery redis/1", "celery redis/1 again"]
    assert any(line.startswith("events: workers sent task events") for line in lines)
    assert any(line.startswith("  task events cost Celery") for line in lines)
    assert all(line.endswith("%") for line in lines if "celery redis/1" in line and "transport" not in line)
    assert [line for line in lines if len(line) > 80] == []


def test_task_events_in_every_cell_are_reported_once():
    text = whole(with_events(example_run(), "on"))
    assert "2 slots, task events on" in text
    assert "-E" not in text


def test_a_fleet_that_sent_task_events_all_the_time_is_reported_as_such():
    run = example_run()
    workers = tuple(replace(each, events=True) for each in run.environment.workers)
    sending = replace(run, environment=replace(run.environment, workers=workers))
    assert "2 slots, task events on" in whole(sending)
    assert "task events" not in whole(run)


def legend(run: Run) -> str:
    """The lines of the legend below the tables."""
    return whole(run).split("serial: times as fast as serial with the same kernel")[1].split("Verdicts on")[0]


def test_the_legend_explains_the_rows_that_are_there_and_no_others():
    run = example_run()
    assert "celery redis/1: transport redis, 1 task per message." in legend(run)
    assert "again: the A/A pair" in legend(run)
    assert not any(word in legend(run) for word in ("redis/4", "inline", "files", "stays"))
    alone = legend(replace(run, cells=run.cells[:2]))
    assert "celery" not in alone
    assert "again: " not in alone


def test_the_legend_explains_other_transports_and_data_that_stays():
    run = example_run()
    celery = run.cells[2]
    variants = (
        ("redis", 4, "local"),
        ("inline", 1, "local"),
        ("files", 1, "local"),
        ("redis", 1, "resident"),
    )
    cells = (
        replace(celery, cell=replace(celery.cell, transport=transport, chunk=chunk, data=data))
        for transport, chunk, data in variants
    )
    text = legend(replace(run, cells=(*run.cells[:2], *cells)))
    assert "celery redis/4: transport redis, 4 tasks per message." in text
    for name, transport in TRANSPORTS.items():
        assert f"{name}: {transport.summary}." in " ".join(text.split())
    assert "stays: inputs and outputs stay in the payload store" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []


CELERY = Cell("decode", "asarray", "celery", 2, "redis", 4, "local")
THREADS = Cell("decode", "asarray", "threads", 2)
SLOWER = Verdict(
    "decode", "hurts", "best in-process", CELERY, THREADS, Estimate(1.5, 1.25, 1.75, 0.94), 0.05, rounds=7
)
SERIAL = replace(THREADS, strategy="serial", slots=1)
FASTER = replace(
    SLOWER, verdict="helps", against="serial", versus=SERIAL, ratio=Estimate(0.5, 0.4, 0.8, 0.95)
)


def shown(*verdicts: Verdict) -> list[str]:
    findings = analyse(replace(example_run(), cells=()))
    vars(findings)["verdicts"] = verdicts
    text = terminal.render(findings.run, findings, table=True)
    return text.split("Verdicts on")[1].split("\n\n")[0].splitlines()[1:] if "Verdicts on" in text else []


def test_each_baseline_has_a_line_under_its_stage():
    assert shown(SLOWER, FASTER) == [
        "decode: Celery with asarray on 2 slots (redis, chunk 4)",
        "  hurts 1.50 times as long as threads with asarray on 2 slots (1.25 to 1.75)",
        "  helps 2.00 times as fast as serial with asarray (1.25 to 2.50)",
    ]


def test_if_serial_is_the_best_in_process_cell_there_is_one_line():
    assert len(shown(replace(FASTER, against="best in-process"), FASTER)) == 2


def test_a_stage_without_a_celery_cell_has_its_reason_alone():
    missing = Observation("unmeasured", {"stage": "decode", "side": "Celery"})
    unmeasured = Verdict("decode", "inconclusive", "serial", None, None, None, 0.05, obstacle=missing)
    assert shown(unmeasured) == [
        "decode",
        "  inconclusive No Celery cell of decode was measured; let the run end, or find",
        "               out why it could not",
    ]


def test_without_verdicts_there_is_no_heading():
    assert shown() == []
