"""What Linux counts of threads and processes; elsewhere there is nothing to count."""

from __future__ import annotations

import sys
import threading
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event

import pytest

from orchestrator.fleet.processor_time import ProcessorTime, between, of_processes, processor_wait_s

FORK = get_context("fork")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


def busy() -> None:
    sum(range(12_000_000))


def test_each_thread_has_waits_of_its_own() -> None:
    first = processor_wait_s()
    assert first is not None
    seen: list[float | None] = []
    other = threading.Thread(target=lambda: seen.append(processor_wait_s()))
    other.start()
    other.join()
    assert seen[0] is not None
    again = processor_wait_s()
    assert again is not None
    assert again >= first


def work_in_a_pool_process(pid: SimpleQueue[int], release: Event) -> None:
    child = FORK.Process(target=lambda: (busy(), release.wait()))
    child.start()
    pid.put(child.pid or 0)
    child.join()


def test_a_workers_time_includes_that_of_its_pool_processes() -> None:
    pids, release = FORK.SimpleQueue(), FORK.Event()
    worker = FORK.Process(target=work_in_a_pool_process, args=(pids, release))
    worker.start()
    assert worker.pid is not None
    pool_process = pids.get()
    try:
        while (alone := of_processes([pool_process])) is None or alone[pool_process].cpu_s < 0.1:
            pass  # the worker itself needs a few milliseconds at most
        both = of_processes([worker.pid])
        assert both is not None
        assert both.keys() == {worker.pid, pool_process}
        assert both[pool_process].cpu_s >= alone[pool_process].cpu_s
    finally:
        release.set()
        worker.join()


def test_a_pool_process_that_was_replaced_counts_at_neither_end() -> None:
    stays, replaced, new = 1, 2, 3
    before = {stays: ProcessorTime(1.0, 0.5), replaced: ProcessorTime(8.0, 4.0)}
    after = {stays: ProcessorTime(1.25, 0.75), new: ProcessorTime(0.1, 0.0)}
    assert between(before, after) == ProcessorTime(0.25, 0.25)
    assert between(None, after) is None


def test_a_worker_that_is_gone_leaves_nothing_to_count() -> None:
    assert of_processes([2**22 + 1]) is None
