"""Rounds: a disturbed sample is taken again, a bounded number of times, and never dropped."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import replace

import pytest

from orchestrator import signals
from orchestrator.analysis.stats.intervals import VERDICT_ROUNDS
from orchestrator.inputs.workload import verify
from orchestrator.measurement import rounds
from orchestrator.measurement.clock import SamplePosition
from orchestrator.measurement.recorder import Recorder
from orchestrator.measurement.rounds import REPEATS, Rounds
from orchestrator.model.runs import Cell, Plan, Run, Sample, TaskFailure
from orchestrator.planning.schedule import Limits
from orchestrator.strategies.base import Strategy
from tests.examples import example_run
from tests.load_examples import trace
from worker.contract import Outcome, Task

CELL = Cell("grayscale", "numpy", "serial", 1)


class Upset(Strategy):
    """Does its one task; the batches that it was given reasons for are disturbed."""

    def __init__(self, *reasons: str | None) -> None:
        super().__init__(1)
        self._reasons = iter(reasons)
        self.batches = 0

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        self.batches += 1
        yield from (Outcome(task.id, b"right", slot="a:1") for task in tasks)

    def disturbance(self) -> str | None:
        return next(self._reasons, None)


class OneTask:
    """Inputs of one task for every cell."""

    matches = staticmethod(verify)

    def tasks(self, _: Cell) -> tuple[Task, ...]:
        return (Task(0, "grayscale", "numpy", b""),)

    def expected(self, _: Cell) -> dict[int, bytes]:
        return {0: b"right"}

    def named(self, failure: TaskFailure) -> TaskFailure:
        return failure


class Silent:
    def planned(self, plan: Plan) -> None: ...

    def step(self, what: str) -> None: ...

    def sample(self, done: int, total: int, cell: Cell) -> None: ...

    def note(self, message: str) -> None: ...


def measured(
    strategy: Strategy,
    rounds: int = 2,
    warmup: int = 0,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    **planned: object,
) -> Run:
    run = example_run()
    plan = replace(run.plan, cells=(CELL,), rounds=rounds, warmup=warmup, **planned)
    record = Recorder(replace(run, plan=plan, cells=(), loads=()))
    taking = Rounds(record, {CELL: strategy}, OneTask(), None, Silent(), limits)  # type: ignore[arg-type]
    taking.take(lambda _: None)
    return record.as_run(complete=True)


def test_a_disturbed_sample_is_kept_and_taken_again_in_its_round():
    (result,) = measured(Upset(None, "worker a died")).cells
    assert [(each.round, each.disturbed) for each in result.taken] == [
        (0, None),
        (1, "worker a died"),
        (1, None),
    ]
    assert [each.round for each in result.samples] == [0, 1]
    assert [each.round for each in result.disturbed] == [1]


def test_a_sample_that_stays_disturbed_is_given_up_and_the_next_round_goes_on():
    strategy = Upset(*["again"] * (1 + REPEATS))
    (result,) = measured(strategy).cells
    assert [each.round for each in result.disturbed] == [0] * (1 + REPEATS)
    assert [each.round for each in result.samples] == [1]


def test_a_run_that_was_disturbed_in_every_round_ends():
    (result,) = measured(Upset(*["again"] * 100), rounds=3).cells
    assert result.samples == ()
    assert len(result.disturbed) == 3 * (1 + REPEATS)


def test_every_sample_is_one_batch_however_short_it_is():
    strategy = Upset()
    (result,) = measured(strategy, rounds=3, warmup=1).cells
    assert (strategy.batches, [each.batches for each in result.samples]) == (4, [1, 1, 1])


def test_a_disturbed_warm_up_is_kept_because_it_may_have_lost_a_task():
    (result,) = measured(Upset("worker a died"), rounds=1, warmup=1).cells
    assert [(each.round, each.disturbed) for each in result.disturbed] == [(-1, "worker a died")]
    assert [each.round for each in result.samples] == [0]


class Slow(Upset):
    """A batch takes ten seconds of the clock that the rounds read."""

    def __init__(self) -> None:
        super().__init__()
        self.perf_counter = lambda: 10.0 * self.batches


@pytest.mark.parametrize("target", [None, 0.05])
@pytest.mark.parametrize(("strict", "taken"), [(True, 3), (False, VERDICT_ROUNDS)])
def test_only_a_given_budget_ends_before_a_verdict_without_a_warm_up_too(monkeypatch, strict, taken, target):
    strategy = Slow()
    monkeypatch.setattr(rounds, "time", strategy)
    run = measured(strategy, rounds=20, budget_s=25.0, target=target, limits=Limits(strict=strict))
    assert (strategy.batches, run.plan.rounds) == (taken, taken)


def test_a_lost_interrupt_ends_the_repetition(monkeypatch):
    strategy = Upset(*["again"] * 100)
    monkeypatch.setattr(signals, "_requested", True)
    with pytest.raises(KeyboardInterrupt):
        measured(strategy)
    assert strategy.batches == 0
    assert threading.active_count() >= 1


def test_each_round_tells_how_long_a_fixed_loop_took(monkeypatch):
    times = iter([0.3, 0.1, 0.2])
    monkeypatch.setattr(rounds, "time_reference_loop", lambda: next(times))
    assert [load.reference_s for load in measured(Upset(), rounds=3).loads] == [0.3, 0.1, 0.2]


class Overloaded:
    """An open loop in which no task ends."""

    def __init__(self, strategy, tasks, expected, planned_s, duration_s, *_) -> None:
        self._trace = trace(planned_s, [None] * len(planned_s), duration_s)

    def measure(self, at: SamplePosition) -> tuple[Sample, tuple[TaskFailure, ...]]:
        tasks = len(self._trace.planned_us)
        return Sample(at.round, at.position, at.at_s, 1.0, tasks, 0, trace=self._trace), ()


def test_a_search_ends_with_a_note_once_it_has_as_many_tasks_as_a_result_keeps(monkeypatch):
    monkeypatch.setattr(rounds, "OpenLoop", Overloaded)
    monkeypatch.setattr(rounds, "most_sent_per_s", lambda *_: 100.0)
    monkeypatch.setattr(rounds, "MAX_TASKS", 300)
    notes: list[str] = []
    monkeypatch.setattr(Silent, "note", lambda _, message: notes.append(message))
    run = example_run()
    plan = replace(run.plan, cells=(CELL,), rounds=3, arrivals="constant", duration_s=1.0, searched=True)
    record = Recorder(replace(run, plan=plan, cells=(), loads=()))
    Rounds(record, {CELL: Upset()}, OneTask(), None, Silent()).take(lambda _: None)  # type: ignore[arg-type]
    tasks = [each.tasks for result in record.as_run(complete=True).cells for each in result.open_loops]
    assert tasks == [300]
    assert [each.split(":")[0] for each in notes] == ["The search ended early"]
