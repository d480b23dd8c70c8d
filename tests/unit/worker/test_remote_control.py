"""What a worker reports about itself: its processors, with and without a quota, and its slots' processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from celery.concurrency.prefork import TaskPool
from kombu.asynchronous import Hub

from worker import remote_control
from worker.app import make_app
from worker.remote_control import cpu_share, present, usable_cpus
from worker.settings import Settings


@pytest.mark.parametrize(
    ("quota", "share", "whole"), [(0.25, 0.25, 1), (None, 4.0, 4), (2.6, 2.6, 3), (9.0, 4.0, 4)]
)
def test_a_quota_limits_the_share_and_a_whole_number_is_at_least_1(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, share: float, whole: int
) -> None:
    monkeypatch.setattr(remote_control.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(remote_control, "cpu_quota", lambda: quota)
    assert (cpu_share(), usable_cpus()) == (share, whole)


@pytest.fixture
def unwatched_pool() -> Iterator[TaskPool]:
    """A worker's pool of one process, whose end Celery does not notice: its event loop never runs."""
    with make_app(Settings()) as app:
        pool = TaskPool(1, app=app, threads=False, initargs=(app, "worker@here"))
        pool.start()
        pool.register_with_event_loop(Hub())
        yield pool
        pool.terminate()


def test_a_slot_process_that_has_ended_is_replaced_before_its_worker_reports_its_slots(
    unwatched_pool: TaskPool,
) -> None:
    schedule = SimpleNamespace(schedule=SimpleNamespace(queue=[]))
    state = SimpleNamespace(consumer=SimpleNamespace(pool=unwatched_pool, timer=schedule), tset=set)
    (before,) = present(state)["slots"]
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    (after,) = present(state)["slots"]
    assert after != before
    os.kill(after, 0)  # raises if it is not running
