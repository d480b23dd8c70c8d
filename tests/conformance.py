"""What every strategy must do, whoever does the work.

A strategy is put through these checks by a class in a test file:

    class TestThreads(StrategyConformance):
        @classmethod
        def make(cls, slots: int) -> Strategy:
            return Threads(slots)

One that needs more than its slots (a fleet, say) gets it from a fixture of its own, by overriding `strategy`.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from orchestrator.strategies.arrivals import Arrivals
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.serial import Serial
from tests.waiting import until
from worker.contract import Outcome, Payload, Pixels, Task
from worker.stages import STAGES

SIZES = ((8, 8), (1, 1), (1, 7), (7, 1), (5, 4), (4, 5), (33, 20), (8, 8), (3, 3), (20, 33))
"""Heights and widths: square and not, even and odd numbers of pixels, one of them twice."""

BROKEN_PIXELS: tuple[Payload, ...] = (
    np.zeros((4, 5), dtype=np.uint8),
    np.zeros((4, 5, 4), dtype=np.uint8),
    np.zeros((4, 5, 3), dtype=np.float64),
    b"no pixels",
    "no pixels",
)


class StrategyConformance:
    """The checks; `kernels` are those that the strategy has, `slots` how many places it is given."""

    slots = 2
    kernels: tuple[tuple[str, str], ...] = (
        ("grayscale", "numpy"),
        ("grayscale", "loop"),
        ("decode", "asarray"),
    )

    @classmethod
    def make(cls, slots: int) -> Strategy:
        """A strategy that nobody has entered yet."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def strategy(cls) -> Iterator[Strategy]:
        """The strategy, entered once for all checks: what one leaves behind must not hurt the next."""
        with cls.make(cls.slots) as strategy:
            yield strategy

    @pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
    def test_each_task_ends_once_with_the_references_output(self, strategy: Strategy, count: int) -> None:
        for stage, kernel in self.kernels:
            check(strategy, batch(stage, kernel, count))

    def test_a_second_batch_of_other_sizes_is_done_as_well(self, strategy: Strategy) -> None:
        for stage, kernel in self.kernels:
            check(strategy, batch(stage, kernel, 5))
            check(strategy, batch(stage, kernel, 9, scale=3, first_id=1000))

    def test_pictures_larger_than_any_before_come_out_right(self, strategy: Strategy) -> None:
        stage, kernel = self.kernels[0]
        for scale in (1, 40, 2):
            check(strategy, batch(stage, kernel, 10, scale=scale))

    def test_ids_need_not_count_from_zero(self, strategy: Strategy) -> None:
        stage, kernel = self.kernels[0]
        tasks = [Task(number, stage, kernel, pixels(4, 6)) for number in (7, 3, 1 << 40)]
        assert sorted(outcome.task_id for outcome in outcomes_of(strategy, tasks)) == [3, 7, 1 << 40]

    def test_a_broken_payload_fails_as_it_does_in_serial_and_the_others_go_on(
        self, strategy: Strategy
    ) -> None:
        for stage, kernel in self.kernels:
            good = batch(stage, kernel, 4)
            bad = [Task(100 + i, stage, kernel, payload) for i, payload in enumerate(broken(stage))]
            mixed = [
                task for pair in zip(bad, good + good[: len(bad) - len(good)], strict=False) for task in pair
            ]
            tasks = list({task.id: task for task in mixed + good + bad}.values())
            with Serial(1) as serial:
                expected = {outcome.task_id: outcome.failure for outcome in serial.run(tasks)}
            outcomes = outcomes_of(strategy, tasks)
            assert expected == {outcome.task_id: outcome.failure for outcome in outcomes}
            assert {task.id for task in bad} == {outcome.task_id for outcome in outcomes if outcome.failure}
            check_outputs([outcome for outcome in outcomes if not outcome.failure], tasks)

    def test_a_batch_of_nothing_but_broken_payloads_ends(self, strategy: Strategy) -> None:
        for stage, kernel in self.kernels:
            tasks = [Task(i, stage, kernel, payload) for i, payload in enumerate(broken(stage) * 3)]
            outcomes = outcomes_of(strategy, tasks)
            assert list(range(len(tasks))) == sorted(outcome.task_id for outcome in outcomes)
            assert {"failed"} == {outcome.status for outcome in outcomes}

    @pytest.mark.parametrize("taken", [0, 1, 5])
    def test_a_batch_closed_early_leaves_nothing_in_the_next(self, strategy: Strategy, taken: int) -> None:
        for stage, kernel in self.kernels:
            abandoned = batch(stage, kernel, 40)
            strategy.prepare(abandoned)
            outcomes = strategy.run(abandoned)
            assert taken == len(list(islice(outcomes, taken)))
            outcomes.close()  # type: ignore[attr-defined]  # every strategy's run is a generator
            check(strategy, batch(stage, kernel, 12, first_id=1000))

    def test_no_more_places_do_work_than_there_are_slots(self, strategy: Strategy) -> None:
        stage, kernel = self.kernels[0]
        slots = {outcome.slot for outcome in outcomes_of(strategy, batch(stage, kernel, 60))}
        assert None not in slots
        assert 1 <= len(slots) <= self.slots

    def test_compute_time_is_measured_where_the_work_is_done(self, strategy: Strategy) -> None:
        for stage, kernel in self.kernels:
            for outcome in outcomes_of(strategy, batch(stage, kernel, 6, scale=4)):
                assert outcome.hops is not None
                assert outcome.hops.compute_s > 0
                assert outcome.hops.compute_cpu_s >= 0

    def test_nothing_is_left_behind(self) -> None:
        stage, kernel = self.kernels[0]
        with self.make(self.slots) as strategy:  # what a process loads once is no leftover
            check(strategy, batch(stage, kernel, 4))
        before, blocks, descriptors = belongings(), shared_memory(), open_descriptors()
        for _ in range(2):
            with self.make(self.slots) as strategy:
                check(strategy, batch(stage, kernel, 12))
                abandoned = strategy.run(batch(stage, kernel, 12))
                next(abandoned)
            del abandoned
        gc.collect()
        # Only what was added counts: things of other tests may end meanwhile.
        assert not belongings() - before
        assert open_descriptors() <= descriptors
        added = shared_memory() - blocks
        until(lambda: not (added & shared_memory()) - used_by_others(), f"the end of {added}")


class OpenLoopConformance(StrategyConformance):
    """The checks of a strategy that takes tasks as they arrive."""

    def test_each_task_that_arrives_ends_once_with_the_references_output(self, strategy: Strategy) -> None:
        for stage, kernel in self.kernels:
            tasks = batch(stage, kernel, 30)
            strategy.prepare([])
            now = time.monotonic()
            arrivals = Arrivals(tasks, [now + 0.002 * number for number in range(30)], now + 60.0)
            outcomes = list(strategy.serve(arrivals))
            assert sorted(outcome.task_id for outcome in outcomes) == list(range(30))
            assert [outcome.failure for outcome in outcomes if outcome.failure] == []
            check_outputs(outcomes, tasks)
            assert all(
                sent >= planned for sent, planned in zip(arrivals.sent_s, arrivals.planned_s, strict=True)
            )

    def test_tasks_without_an_outcome_at_the_end_are_not_in_the_next_batch(self, strategy: Strategy) -> None:
        for stage, kernel in self.kernels:
            tasks = batch(stage, kernel, 40)
            strategy.prepare([])
            # A second a reading, so that the end comes after a few tasks.
            arrivals = Arrivals(tasks, [0.0] * 40, 30.0, count(0.0, 1.0).__next__)
            ended = list(strategy.serve(arrivals))
            assert len(arrivals.sent_s) < 40
            assert {outcome.task_id for outcome in ended} <= set(range(len(arrivals.sent_s)))
            check(strategy, batch(stage, kernel, 12, first_id=1000))


def pixels(height: int, width: int, seed: int = 0) -> Pixels:
    """A picture of noise, (height, width, 3) uint8."""
    return np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(height: int, width: int, seed: int = 0) -> bytes:
    """The same as a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels(height, width, seed)).save(file, "PNG")
    return file.getvalue()


def batch(stage: str, kernel: str, count: int, *, scale: int = 1, first_id: int = 0) -> list[Task]:
    """`count` tasks on pictures of mixed sizes, no two of them alike."""
    make: Callable[[int, int, int], Payload] = encoded if STAGES[stage].takes == "encoded" else pixels
    sizes = [SIZES[i % len(SIZES)] for i in range(count)]
    return [
        Task(first_id + i, stage, kernel, make(height * scale, width * scale, first_id + i))
        for i, (height, width) in enumerate(sizes)
    ]


def broken(stage: str) -> tuple[Payload, ...]:
    """Payloads that no kernel of the stage can do."""
    if STAGES[stage].takes == "pixels":
        return BROKEN_PIXELS
    whole = encoded(30, 30)
    return (b"", b"no picture", whole[: len(whole) // 2], "no picture")


def outcomes_of(strategy: Strategy, tasks: Sequence[Task]) -> list[Outcome]:
    """One batch from preparing to fetching, as a measurement does it."""
    strategy.prepare(tasks)
    outcomes = list(strategy.run(tasks))
    return [strategy.fetch(outcome) for outcome in outcomes]


def check(strategy: Strategy, tasks: Sequence[Task]) -> None:
    """Run a batch: each id once, no failure, every output the reference's."""
    outcomes = outcomes_of(strategy, tasks)
    assert sorted(task.id for task in tasks) == sorted(outcome.task_id for outcome in outcomes)
    assert [outcome.failure for outcome in outcomes if outcome.failure] == []
    check_outputs(outcomes, tasks)


def check_outputs(outcomes: Sequence[Outcome], tasks: Sequence[Task]) -> None:
    """Every output equals, in shape, type and value, what the stage's reference makes of the payload."""
    by_id = {task.id: task for task in tasks}
    for outcome in outcomes:
        task = by_id[outcome.task_id]
        np.testing.assert_array_equal(
            outcome.output, STAGES[task.stage].reference(task.payload), err_msg=str(task.id), strict=True
        )


def belongings() -> set[threading.Thread | psutil.Process]:
    """The threads and child processes that this process has."""
    return {*threading.enumerate(), *psutil.Process().children(recursive=True)}


def shared_memory() -> set[Path]:
    """The blocks and semaphores of all processes of this machine."""
    return set(Path("/dev/shm").glob("*"))  # noqa: S108 - looked at only


def used_by_others() -> set[Path]:
    """What processes that are neither this one nor started by it have mapped of `shared_memory()`."""
    own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    used = set()
    for pid in set(psutil.pids()) - own:
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            lines = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines()
            used |= {Path(line.split()[-1]) for line in lines if "/dev/shm/" in line}  # noqa: S108 - as above
    return used


def open_descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/dev/fd").iterdir()))
