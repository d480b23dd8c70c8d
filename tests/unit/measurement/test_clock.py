"""The clock, with a fake one: what is on it, what is off it, and what is counted."""

from __future__ import annotations

import gc
from collections.abc import Generator, Sequence

import numpy as np
import pytest

from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.strategies.base import Strategy
from worker.contract import LOST, Failure, Hops, Outcome, Task

PLACE = SamplePosition(round=2, position=5, at_s=1.5)
TASKS = [Task(i, "grayscale", "numpy", b"") for i in range(3)]
RIGHT = {i: bytes([i]) for i in range(3)}


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Scripted(Strategy):
    """Gives the outcomes it was told, each a second after the last; everything off the clock takes an hour."""

    def __init__(self, clock: Clock, outcomes: Sequence[Outcome], late: int = 0) -> None:
        super().__init__(1)
        self._clock, self._outcomes, self._late = clock, outcomes, late

    def prepare(self, tasks: Sequence[Task]) -> None:
        self._clock.advance(3600)

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        for outcome in self._outcomes:
            self._clock.advance(1.0)
            yield outcome
        self._clock.advance(50.0)  # putting things in order after the last output

    def fetch(self, outcome: Outcome) -> Outcome:
        self._clock.advance(3600)
        return outcome

    @property
    def duplicated(self) -> int:
        return self._late


def sample_of(outcomes: Sequence[Outcome], late: int = 0):
    clock = Clock()
    return measure(Scripted(clock, outcomes, late), TASKS, RIGHT, PLACE, clock)


def right(id_: int, slot: str = "a:1") -> Outcome:
    return Outcome(id_, RIGHT[id_], slot=slot)


def test_the_makespan_runs_from_the_release_to_the_last_output_and_no_further():
    sample, failures = sample_of([right(2), right(0), right(1, "a:2")])
    assert sample.makespan_s == 3.0
    assert (sample.tasks, sample.ok, sample.failed, sample.lost, sample.wrong) == (3, 3, 0, 0, 0)
    assert (sample.round, sample.position, sample.at_s) == (2, 5, 1.5)
    assert sample.slots_seen == 2
    assert sample.correct
    assert failures == ()


def test_a_task_without_an_outcome_is_lost_and_named():
    sample, failures = sample_of([right(0), right(2)])
    assert (sample.ok, sample.lost, sample.correct) == (2, 1, False)
    assert [(failure.task, failure.type) for failure in failures] == [(1, LOST)]


def test_an_outcome_that_comes_twice_is_counted_and_not_used():
    sample, _ = sample_of([right(0), right(0), right(1), right(2)])
    assert (sample.ok, sample.duplicated, sample.correct) == (3, 1, False)


def test_the_hops_are_means_over_the_first_outcome_of_each_task():
    hops = [Hops(compute_s=1.0 + i, compute_cpu_s=0.5, queue_s=-i, latency_s=i * 1.0) for i in range(3)]
    outcomes = [Outcome(i, RIGHT[i], hops=hops[i], slot="a:1") for i in range(3)]
    sample = sample_of([*outcomes, outcomes[0]])[0]
    assert sample.hops is not None
    assert (sample.hops.tasks, sample.hops.compute_s, sample.hops.beyond_bound) == (3, 2.0, 3)
    assert sample.duplicated == 1


def test_service_times_are_kept_in_the_order_of_the_tasks():
    hops = [Hops(compute_s=1.0 + i, compute_cpu_s=0.5, fetch_s=0.25, store_s=0.5) for i in range(3)]
    sample, _ = sample_of([Outcome(i, RIGHT[i], hops=hops[i]) for i in (2, 0, 1)])
    assert sample.service_times_s == (1.75, 2.75, 3.75)


def test_duplicates_that_the_strategy_counted_are_kept():
    sample, _ = sample_of([right(0), right(1), right(2)], late=2)
    assert sample.duplicated == 2


def test_a_wrong_output_is_counted():
    sample, _ = sample_of([right(0), right(1), Outcome(2, b"something else")])
    assert (sample.ok, sample.wrong, sample.correct) == (3, 1, False)


def test_a_failure_that_the_reference_has_too_is_right():
    failure = Failure("DecodeError", "broken picture")
    clock = Clock()
    outcomes = [right(0), right(1), Outcome(2, failure=failure)]
    sample, failures = measure(Scripted(clock, outcomes), TASKS, {**RIGHT, 2: failure}, PLACE, clock)
    assert (sample.failed, sample.wrong, sample.correct) == (1, 0, True)
    assert [(f.task, f.type, f.message) for f in failures] == [(2, "DecodeError", "broken picture")]


def test_a_failure_that_the_reference_has_not_is_wrong():
    sample, _ = sample_of([right(0), right(1), Outcome(2, failure=Failure("ValueError", "no"))])
    assert (sample.failed, sample.wrong) == (1, 1)


@pytest.mark.parametrize(
    "other", [np.zeros((2, 3), np.uint8), np.ones((3, 2), np.uint8), np.zeros((3, 2), np.int64)]
)
def test_pixels_of_another_shape_content_or_type_are_wrong(other):
    clock = Clock()
    expected = {0: np.zeros((3, 2), np.uint8)}
    sample, _ = measure(Scripted(clock, [Outcome(0, other)]), TASKS[:1], expected, PLACE, clock)
    assert sample.wrong == 1


def test_garbage_is_collected_before_and_not_during_a_batch():
    states = []

    class Watching(Scripted):
        def run(self, tasks):
            states.append(gc.isenabled())
            yield from super().run(tasks)

    clock = Clock()
    measure(Watching(clock, [right(0), right(1), right(2)]), TASKS, RIGHT, PLACE, clock)
    assert (states, gc.isenabled()) == ([False], True)


def test_an_outcome_of_a_task_that_is_not_in_the_batch_is_named_as_the_strategys_error():
    with pytest.raises(RuntimeError, match="an outcome of task 7, which is not in the batch"):
        sample_of([right(0), Outcome(7, b"")])


def test_a_sample_that_the_strategy_says_was_disturbed_says_why():
    class Upset(Scripted):
        def disturbance(self):
            return "worker a died"

    clock = Clock()
    sample, _ = measure(Upset(clock, [right(0), right(1), right(2)]), TASKS, RIGHT, PLACE, clock)
    assert sample.disturbed == "worker a died"


def test_a_lost_or_repeated_task_disturbs_its_sample_in_every_strategy():
    assert sample_of([right(0), right(1), right(2)])[0].disturbed is None
    assert sample_of([right(0), right(2)])[0].disturbed.startswith("1 task lost")
    assert sample_of([right(0), right(0), right(1), right(2)])[0].disturbed == "1 task ended more than once"
