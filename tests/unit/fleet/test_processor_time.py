"""What Linux counts of threads and processes; elsewhere there is nothing to count."""

from __future__ import annotations

import os
import sys
import threading
from multiprocessing import get_context

import pytest

from orchestrator.fleet.processor_time import of_workers, processor_wait_s

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


def busy() -> None:
    sum(range(3_000_000))


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


def test_a_workers_time_includes_that_of_its_pool_processes() -> None:
    before = of_workers([os.getpid()])
    release = get_context("fork").Event()
    child = get_context("fork").Process(target=lambda: (busy(), release.wait()))
    child.start()
    pid = child.pid
    assert pid is not None
    try:
        while (alone := of_workers([pid])) is None or alone.cpu_s < 0.01:
            pass
        both = of_workers([os.getpid()])
        assert before is not None
        assert both is not None
        assert both.cpu_s - before.cpu_s >= alone.cpu_s
    finally:
        release.set()
        child.join()


def test_a_worker_that_is_gone_leaves_nothing_to_count() -> None:
    assert of_workers([2**22 + 1]) is None
