"""One sample of an open loop: tasks arrive by plan, whether or not earlier ones are done.

A task's latency counts from its planned arrival to its output in the orchestrator, whatever held it up, this generator
included; how late the generator sent it is kept beside it.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final

import numpy as np

from orchestrator.analysis.hops import mean_hops, service_times_s
from orchestrator.analysis.load import DRAIN_S, WARMUP_S
from orchestrator.inputs.workload import Expectation, verify
from orchestrator.measurement.clock import Clock, SamplePosition, disordered
from orchestrator.model.runs import INTERRUPTED, ArrivalProcess, Sample, TaskFailure, Trace
from orchestrator.strategies.arrivals import Arrivals
from orchestrator.strategies.base import Strategy
from worker.contract import Hops, Outcome, Task

IDLE_S: Final = 0.005  # until the next arrival, in which progress may be shown without holding it up
SHOW_EVERY_S: Final = 0.5  # seconds between two looks at the progress
PROBE_TASKS: Final = 200  # released at once, to find out how fast the generator sends

Progress = Callable[
    [float, float, int], None
]  # takes seconds since the start, the last latency, and the backlog


def arrival_times_s(
    process: ArrivalProcess, rate_per_s: float, duration_s: float, seed: Sequence[int]
) -> list[float]:
    """Return when tasks arrive, from the start of the warm-up at -`WARMUP_S` to `duration_s`.

    The same seed gives the same arrivals, stretched by the rate, so that every strategy meets the same.
    """
    span_s = WARMUP_S + duration_s
    if process == "constant":
        arrivals = np.arange(ceil(span_s * rate_per_s)) / rate_per_s
    else:
        most = ceil(span_s * rate_per_s * 1.5 + 50)
        arrivals = np.cumsum(np.random.default_rng(seed).exponential(1.0, most)) / rate_per_s
    times_s: list[float] = np.round(arrivals[arrivals < span_s] - WARMUP_S, 6).tolist()
    return times_s


@dataclass(slots=True)
class OpenLoop:
    """Has a strategy serve one sample's arrivals, and records when each task ended.

    Args:
        strategy: entered, and free.
        tasks: the inputs; tasks take one after the other, again and again.
        expected: task id of `tasks` to the right output, or to the failure that is right for this input.
        planned_s: when tasks arrive, since the end of the warm-up.
        duration_s: how long they arrive after the warm-up.
        progress: called now and then while no task is due.
        matches: whether an outcome is as expected.
        clock: seconds of wall time, the one that hops are measured with.
    """

    strategy: Strategy
    tasks: Sequence[Task]
    expected: Mapping[int, Expectation]
    planned_s: Sequence[float]
    duration_s: float
    progress: Progress = lambda elapsed_s, latency_s, backlog: None
    matches: Callable[[Expectation, Outcome], bool] = verify
    clock: Clock = time.monotonic
    ended_s: dict[int, float] = field(default_factory=dict)
    hops: dict[int, Hops] = field(default_factory=dict)
    slots: set[str | None] = field(default_factory=set)
    status: Counter[str] = field(default_factory=Counter)  # of tasks that arrived after the warm-up
    lost: set[int] = field(default_factory=set)
    repeated: int = 0
    wrong: int = 0
    failures: list[TaskFailure] = field(default_factory=list)
    interrupted: bool = False

    def measure(self, place: SamplePosition) -> tuple[Sample, tuple[TaskFailure, ...]]:
        """Take the sample; an interrupt ends it, and leaves what was measured so far.

        Outputs are compared with the expected ones as they come, after their time was taken, so that no more of them
        are in memory than have just arrived.

        Raises:
            KeyboardInterrupt: during the warm-up.
        """
        gc.collect()
        self.strategy.prepare(())
        tasks = [self._task(number) for number in range(len(self.planned_s))]
        begins_at = self.clock() + WARMUP_S
        planned_s = [begins_at + each for each in self.planned_s]
        arrivals = Arrivals(tasks, planned_s, begins_at + self.duration_s + DRAIN_S, self.clock)
        outcomes = self.strategy.serve(arrivals)
        show_at = 0.0
        try:
            for outcome in outcomes:
                now = self.clock()
                self._take(outcome, now - begins_at)
                if now >= show_at and arrivals.wait_s(IDLE_S) >= IDLE_S:
                    show_at = now + SHOW_EVERY_S
                    latency_s = now - planned_s[outcome.task_id]
                    self.progress(now - begins_at, latency_s, len(arrivals.sent_s) - len(self.ended_s))
            if self.clock() < arrivals.ends_at:  # the strategy gave up, so what was never sent is lost, too
                self.lost.update(range(len(arrivals.sent_s), len(tasks)))
        except KeyboardInterrupt:
            measured_s = self.clock() - begins_at
            if measured_s <= 0:
                raise
            self.interrupted = True
            self.duration_s = min(self.duration_s, measured_s)
        finally:
            outcomes.close()
        sample = self._sample(place, [each - begins_at for each in arrivals.sent_s])
        why = INTERRUPTED if self.interrupted else self.strategy.disturbance()
        return replace(sample, disturbed=why or disordered(sample, self.failures)), tuple(self.failures)

    def _task(self, number: int) -> Task:
        like = self.tasks[number % len(self.tasks)]
        return Task(number, like.stage, like.kernel, like.payload)

    def _take(self, outcome: Outcome, ended_s: float) -> None:
        number = outcome.task_id
        if number in self.ended_s or number in self.lost:
            self.repeated += 1
            return
        counts = self.planned_s[number] >= 0
        input_id = self.tasks[number % len(self.tasks)].id
        if outcome.failure is not None:
            self.failures.append(TaskFailure(input_id, outcome.failure.type, outcome.failure.message))
        if outcome.status == "lost":
            self.lost.add(number)
            return
        self.ended_s[number] = ended_s
        self.status[outcome.status] += counts
        self.slots.add(outcome.slot)
        self.wrong += not self.matches(self.expected[input_id], outcome)
        if outcome.hops is not None:
            self.hops[number] = outcome.hops

    def _sample(self, place: SamplePosition, sent_s: Sequence[float]) -> Sample:
        planned_s = [each for each in self.planned_s if each < self.duration_s]
        numbers = range(len(planned_s))
        measured = [number for number in numbers if planned_s[number] >= 0]
        hops = {number: self.hops[number] for number in numbers if number in self.hops}
        of_measured = [hops[number] for number in measured if number in hops]
        ended_s = [self.ended_s.get(number) for number in numbers]
        return Sample(
            round=place.round,
            position=place.position,
            at_s=place.at_s,
            makespan_s=max([1e-6, *(ended_s[number] or 0.0 for number in measured)]),
            tasks=max(1, len(measured)),
            ok=self.status["ok"],
            failed=self.status["failed"],
            lost=len(self.lost),
            duplicated=self.strategy.duplicated + self.repeated,
            wrong=self.wrong,
            slots_seen=len(self.slots - {None}) or None,
            hops=mean_hops(of_measured),
            service_times_s=service_times_s(of_measured),
            trace=Trace(
                duration_s=self.duration_s,
                planned_us=tuple(round(each * 1e6) for each in planned_s),
                sent_us=tuple(_us(sent_s[number] if number < len(sent_s) else None) for number in numbers),
                ended_us=tuple(map(_us, ended_s)),
                service_us=tuple(_us(_service_s(hops.get(number))) for number in numbers),
                lost=tuple(sorted(number for number in self.lost if number in numbers)),
            ),
        )


def sending_rate_per_s(strategy: Strategy, tasks: Sequence[Task], clock: Clock = time.monotonic) -> float:
    """Return how many tasks a second the generator can send at most: those of a burst, which is then withdrawn."""
    strategy.prepare(())
    burst = [
        Task(number, like.stage, like.kernel, like.payload)
        for number in range(PROBE_TASKS)
        for like in (tasks[number % len(tasks)],)
    ]
    started = clock()
    arrivals = Arrivals(burst, [started] * len(burst), started + DRAIN_S, clock)
    outcomes = strategy.serve(arrivals)
    for _ in outcomes:
        if len(arrivals.sent_s) == len(burst):
            break
    outcomes.close()
    strategy.disturbance()
    sent_s = arrivals.sent_s
    return (len(sent_s) - 1) / max(1e-9, sent_s[-1] - sent_s[0]) if sent_s else 0.0


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)


def _service_s(hops: Hops | None) -> float | None:
    """How long a task occupied its slot."""
    return None if hops is None else hops.compute_s + (hops.fetch_s or 0.0) + (hops.store_s or 0.0)
