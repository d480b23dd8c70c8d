from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from orchestrator.analysis.load import DRAIN_S, WARMUP_S
from orchestrator.measurement.clock import SamplePosition
from orchestrator.measurement.open_loop import OpenLoop, arrival_times_s, sending_rate_per_s
from orchestrator.strategies.arrivals import Arrivals
from orchestrator.strategies.base import Strategy
from worker.contract import LOST, Failure, Hops, Outcome, Task

TASKS = [Task(number, "decode", "asarray", b"") for number in (5, 6, 7)]
EXPECTED = {5: b"out", 6: b"out", 7: b"out"}
AT = SamplePosition(2, 1, 30.0)


class Time:
    """A clock that stands still until somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class OneSlot(Strategy):
    """Does one task after the other in `service_s` of the clock, and one as `special` says."""

    def __init__(
        self, time: Time, service_s: float = 0.1, special=lambda outcome: outcome, stall_s=0.0
    ) -> None:
        super().__init__(1)
        self.time, self.service_s, self.special, self.stall_s = time, service_s, special, stall_s

    def run(self, tasks):
        raise NotImplementedError

    def serve(self, arrivals: Arrivals):
        waiting: list[Task] = []
        while arrivals.goes_on(bool(waiting)):
            while (task := arrivals.take()) is not None:
                waiting.append(task)
                self.time.now += self.stall_s * (task.id == 10)
            if waiting:
                self.time.now += self.service_s
                yield self.special(
                    Outcome(waiting.pop(0).id, b"out", None, Hops(self.service_s, self.service_s), "slot")
                )
            else:
                self.time.now += arrivals.wait_s(1.0)


def measured(strategy: OneSlot, planned_s, duration_s=4.0):
    loop = OpenLoop(strategy, TASKS, EXPECTED, planned_s, duration_s, clock=strategy.time)
    return loop.measure(AT)


def test_constant_arrivals_come_at_even_steps_through_warm_up_and_sample():
    times = arrival_times_s("constant", 4.0, 3.0, (1, 0))
    assert times == [-2.0 + 0.25 * number for number in range(20)]


def test_poisson_arrivals_have_the_rate_are_repeatable_and_stretch_with_the_rate():
    times = arrival_times_s("poisson", 500.0, 98.0, (1, 0))
    assert len(times) == pytest.approx(50_000, rel=0.02)
    gaps = np.diff(times)
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.03)
    assert times == arrival_times_s("poisson", 500.0, 98.0, (1, 0))
    assert times != arrival_times_s("poisson", 500.0, 98.0, (1, 1))
    slower = arrival_times_s("poisson", 250.0, 98.0, (1, 0))
    assert np.array(slower[:1000]) + 2.0 == pytest.approx(2 * (np.array(times[:1000]) + 2.0), abs=1e-5)


def test_a_sample_keeps_when_each_task_was_planned_sent_and_ended():
    sample, failures = measured(OneSlot(Time()), [-1.0, 0.0, 0.5, 0.55])
    assert failures == ()
    assert (sample.tasks, sample.ok, sample.lost, sample.wrong) == (3, 3, 0, 0)
    trace = sample.trace
    assert trace.planned_us == (-1_000_000, 0, 500_000, 550_000)
    assert trace.sent_us == (-1_000_000, 0, 500_000, 600_000)  # busy with the one before
    assert trace.ended_us == (-900_000, 100_000, 600_000, 700_000)
    assert trace.service_us == (100_000,) * 4
    assert sample.makespan_s == pytest.approx(0.7)
    assert sample.hops.tasks == 3
    assert sample.disturbed is None


def test_a_generator_that_is_held_up_sends_every_overdue_task_and_shows_how_late():
    planned = [0.01 * number for number in range(100)]
    sample, _ = measured(OneSlot(Time(), service_s=0.001, stall_s=2.0), planned, duration_s=1.0)
    assert sample.ok == 100
    late = [sent - plan for sent, plan in zip(sample.trace.sent_us, sample.trace.planned_us, strict=True)]
    assert late[10] < 2_000
    assert late[11] > 1_900_000
    assert (
        max(end - plan for end, plan in zip(sample.trace.ended_us, sample.trace.planned_us, strict=True))
        > 2e6
    )


def test_what_is_unfinished_some_seconds_after_the_last_arrival_has_no_end():
    planned = [0.1 * number for number in range(40)]
    sample, _ = measured(OneSlot(Time(), service_s=1.0), planned)
    ended = [end for end in sample.trace.ended_us if end is not None]
    assert len(ended) == 4 + DRAIN_S
    assert max(ended) <= (4 + DRAIN_S) * 1e6
    assert (sample.tasks, sample.ok, sample.lost) == (40, 9, 0)


def test_lost_failed_wrong_and_repeated_outcomes_are_told_apart():
    ends = {
        0: Outcome(0, failure=Failure(LOST, "the broker went away")),
        1: Outcome(1, failure=Failure("ValueError", "no")),
        2: Outcome(2, b"another"),
        4: Outcome(3, b"out"),
    }
    strategy = OneSlot(Time(), special=lambda outcome: ends.get(outcome.task_id, outcome))
    sample, failures = measured(strategy, [0.0, 0.5, 1.0, 1.5, 2.0])
    assert (sample.ok, sample.failed, sample.lost, sample.wrong, sample.duplicated) == (2, 1, 1, 2, 1)
    assert sample.trace.lost == (0,)
    assert sample.trace.ended_us[0] is None
    assert [(each.task, each.type) for each in failures] == [(5, LOST), (6, "ValueError")]
    assert sample.disturbed == "1 task lost (the broker went away)"


def test_what_is_never_sent_because_the_strategy_gave_up_is_lost():
    class GivesUp(OneSlot):
        def serve(self, arrivals):
            yield from islice(super().serve(arrivals), 10)

    sample, _ = measured(GivesUp(Time()), [0.1 * number for number in range(40)])
    assert (sample.ok, sample.lost) == (10, 30)
    assert sample.trace.lost == tuple(range(10, 40))
    assert sample.disturbed == "30 tasks lost"


def interrupting(at: int):
    def special(outcome: Outcome) -> Outcome:
        if outcome.task_id == at:
            raise KeyboardInterrupt
        return outcome

    return special


def test_an_interrupt_keeps_what_was_measured():
    strategy = OneSlot(Time(), special=interrupting(20))
    loop = OpenLoop(strategy, TASKS, EXPECTED, [0.1 * n for n in range(40)], 4.0, clock=strategy.time)
    sample, _ = loop.measure(AT)
    assert loop.interrupted
    assert sample.ok == 20
    assert sample.trace.duration_s == pytest.approx(2.1)
    assert max(sample.trace.planned_us) <= 2_100_000
    assert sample.disturbed == "interrupted, so it ended early"


def test_an_interrupt_in_the_warm_up_leaves_no_sample():
    strategy = OneSlot(Time(), special=interrupting(0))
    with pytest.raises(KeyboardInterrupt):
        measured(strategy, [-WARMUP_S, 0.0])


def test_the_rate_that_can_be_sent_is_that_of_a_burst():
    class Slow(OneSlot):
        def serve(self, arrivals):
            while (task := arrivals.take()) is not None:
                self.time.now += 0.002
            yield Outcome(task.id if task else 0, b"out")

    assert sending_rate_per_s(Slow(time := Time()), TASKS, time) == pytest.approx(500.0)
