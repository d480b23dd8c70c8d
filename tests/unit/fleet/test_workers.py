"""Waiting for a fleet that is starting until all of its workers answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.workers import address_count, wait_until_complete

ANY: Any = object()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int]], None]:
    """Set how many workers answer each poll; a poll takes a second of a clock that nothing else moves."""
    now = [0.0]
    monkeypatch.setattr(workers.time, "monotonic", lambda: now[0])

    def set_up(counts: list[int]) -> None:
        polls: Iterator[int] = iter(counts)
        last = [0]

        def find(*_: Any) -> list[str]:
            now[0] += 1.0
            last[0] = next(polls, last[0])
            return [f"worker{number}" for number in range(last[0])]

        monkeypatch.setattr(workers, "find", find)

    return set_up


def test_waits_until_as_many_workers_answer_as_were_started(answering: Callable[[list[int]], None]) -> None:
    answering([1, 3, 4])
    assert len(wait_until_complete(ANY, lambda: 4, timeout_s=10)) == 4


def test_a_fleet_that_is_still_growing_is_not_complete(answering: Callable[[list[int]], None]) -> None:
    answering([2, 3, 4])
    started = iter([2, 3, 3, 4, 4, 4])
    assert len(wait_until_complete(ANY, lambda: next(started), timeout_s=10)) == 4


def test_workers_of_other_machines_are_included(answering: Callable[[list[int]], None]) -> None:
    answering([5])
    assert len(wait_until_complete(ANY, lambda: 2, timeout_s=10)) == 5


def test_the_wait_ends_early_when_no_worker_was_started(answering: Callable[[list[int]], None]) -> None:
    answering([0] * 100)
    assert wait_until_complete(ANY, lambda: 0, timeout_s=10) == []


def test_a_worker_that_never_answers_is_reported_with_the_remedy(
    answering: Callable[[list[int]], None],
) -> None:
    answering([3])
    with pytest.raises(
        UnavailableError, match=r"3 of 4 workers answered within 60 s; .*docker compose logs worker"
    ):
        wait_until_complete(ANY, lambda: 4, timeout_s=10)


def test_an_unknown_host_has_no_address() -> None:
    assert address_count("no-such-host.invalid") == 0
