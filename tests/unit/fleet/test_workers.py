"""A fleet that is being started is waited for until it is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.fleet import roll_call
from orchestrator.fleet.roll_call import addresses, complete

ANY: Any = object()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int]], None]:
    """Sets how many workers answer at each look; a look takes a second of a clock that nothing else moves."""
    now = [0.0]
    monkeypatch.setattr(roll_call.time, "monotonic", lambda: now[0])

    def set_up(numbers: list[int]) -> None:
        looks: Iterator[int] = iter(numbers)
        last = [0]

        def find(*_: Any) -> list[str]:
            now[0] += 1.0
            last[0] = next(looks, last[0])
            return [f"worker{number}" for number in range(last[0])]

        monkeypatch.setattr(roll_call.workers, "find", find)

    return set_up


def test_it_waits_until_as_many_answer_as_were_started(answering: Callable[[list[int]], None]) -> None:
    answering([1, 3, 4])
    assert len(complete(ANY, lambda: 4, patience_s=10)) == 4


def test_a_fleet_that_grows_meanwhile_is_not_complete(answering: Callable[[list[int]], None]) -> None:
    answering([2, 3, 4])
    started = iter([2, 3, 3, 4, 4, 4])
    assert len(complete(ANY, lambda: next(started), patience_s=10)) == 4


def test_workers_of_other_machines_come_on_top(answering: Callable[[list[int]], None]) -> None:
    answering([5])
    assert len(complete(ANY, lambda: 2, patience_s=10)) == 5


def test_none_started_and_none_answering_is_found_out_soon(answering: Callable[[list[int]], None]) -> None:
    answering([0] * 100)
    assert complete(ANY, lambda: 0, patience_s=10) == []


def test_a_worker_that_never_answers_is_told_with_the_remedy(answering: Callable[[list[int]], None]) -> None:
    answering([3])
    with pytest.raises(
        UnavailableError, match=r"3 of 4 workers answered within 60 s; .*docker compose logs worker"
    ):
        complete(ANY, lambda: 4, patience_s=10)


def test_a_name_that_nobody_knows_has_no_address() -> None:
    assert addresses("no-such-host.invalid") == 0
