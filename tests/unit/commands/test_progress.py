"""The time that a run has left, on a fake clock."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from orchestrator.commands.progress import Bar, Lines, TimeLeft
from orchestrator.model.runs import Plan
from tests.examples import CELERY, SERIAL, THREADS, example_run

TOOK = {SERIAL: 100.0, THREADS: 10.0, CELERY: 1.0}


def left_before_each(rounds: list[list], took: dict = TOOK) -> list[float | None]:
    """Return the time left before each sample of these rounds, if each cell takes this long."""
    now = [0.0]
    left = TimeLeft(lambda: now[0])
    estimates = []
    for done, cell in enumerate(cell for cells in rounds for cell in cells):
        estimates.append(left.sample(done, len(rounds) * len(took), cell))
        now[0] += took[cell]
    return estimates


def test_no_time_is_shown_until_every_cell_was_measured_once():
    assert left_before_each([[CELERY, THREADS, SERIAL]] * 10)[:3] == [None] * 3


def test_each_cell_has_its_own_time_in_any_order_of_a_round():
    rounds = [[CELERY, THREADS, SERIAL], [SERIAL, CELERY, THREADS], [THREADS, SERIAL, CELERY]]
    assert left_before_each(rounds)[3:] == pytest.approx([222, 122, 121, 111, 101, 1])


def test_the_first_sample_counts_only_until_there_is_another():
    now = [0.0]
    left = TimeLeft(lambda: now[0])
    estimates = []
    for done, took in enumerate((60.0, 1.0, 1.0, 1.0)):
        estimates.append(left.sample(done, 4, SERIAL))
        now[0] += took
    assert estimates == [None, 180.0, 2.0, 1.0]


def lines_of(
    samples: list[tuple[int, int]], capsys: pytest.CaptureFixture, plan: Plan | None = None
) -> list[str]:
    """Return the times left that a log shows as samples begin, `(done, total)`, of ten seconds each."""
    now = [0.0]
    watcher = Lines(lambda: now[0])
    if plan is not None:
        watcher.planned(plan)
    for done, total in samples:
        watcher.sample(done, total, SERIAL)
        now[0] += 10.0
    lines = capsys.readouterr().err.splitlines()
    return [
        line.partition(" samples, ")[2].partition(" left")[0] if " left" in line else "" for line in lines
    ]


def test_the_warm_up_does_not_count_for_as_many_rounds(capsys):
    assert lines_of([(0, 2), (1, 2), (0, 2), (1, 2)], capsys) == ["0:00:10", "", "0:00:10"]
    assert lines_of([(0, 1), (0, 1), (0, 1)], capsys) == ["", ""]


def test_no_more_time_is_left_than_of_the_budget_or_for_a_verdict(capsys):
    samples = [(done, 112) for done in range(8)]
    plan = replace(example_run().plan, budget_s=90.0)
    assert lines_of(samples, capsys, plan) == [str(timedelta(seconds=left)) for left in range(80, 10, -10)]
    plan = replace(plan, budget_s=30.0)
    assert lines_of(samples, capsys, plan) == [str(timedelta(seconds=left)) for left in range(60, -10, -10)]


def test_the_bar_shows_time_left_from_the_second_round_on():
    out = io.StringIO()
    columns = (TextColumn("{task.description}"), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(file=out, force_terminal=True), auto_refresh=False) as bar:
        watcher = Bar(bar)
        watcher.step("Preflight")
        for done, cell in enumerate((SERIAL, THREADS)):
            watcher.sample(done, 4, cell)
        assert "left" not in out.getvalue()
        watcher.sample(2, 4, SERIAL)
    assert "0:00:01 left" in out.getvalue()


class Ticks:
    """An event that is set after some seconds, on a clock that only waiting moves."""

    def __init__(self, now: list[float], until: float) -> None:
        self._now, self._until = now, until

    def wait(self, timeout: float) -> bool:
        self._now[0] += timeout
        return self._now[0] > self._until


def test_a_step_that_takes_long_is_repeated_about_every_ten_seconds(capsys):
    now = [0.0]
    watcher = Lines(lambda: now[0])
    watcher.step("Looking for workers")
    watcher.repeat(Ticks(now, 50.0))
    assert capsys.readouterr().err == "orchestrator: Looking for workers\n" * 4


def test_a_log_gets_a_line_about_every_ten_seconds(capsys):
    now = [0.0]
    watcher = Lines(lambda: now[0])
    watcher.step("Looking for workers")
    watcher.step("Preflight")
    for done in range(9):
        watcher.sample(done, 9, SERIAL)
        now[0] += 4.0
    assert [line.partition(":")[2].partition(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        " 3 of 9 samples, 0",
        " 6 of 9 samples, 0",
    ]
