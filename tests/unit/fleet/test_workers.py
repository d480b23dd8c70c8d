"""Finding the workers of a fleet: which count, which are refused, and when all have answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.workers import WorkerInfo, address_count, choose, find, wait_until_complete
from worker.messages import VERSION

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
    with pytest.raises(UnavailableError) as raised:
        wait_until_complete(ANY, lambda: 4, timeout_s=10)
    assert str(raised.value) == (
        "3 of 4 workers answered within 60 s; see the log of the others with 'docker compose logs worker', or run "
        "without them: 'docker compose up --scale worker=3', or WORKERS=3 in .env"
    )


def test_an_unknown_host_has_no_address() -> None:
    assert address_count("no-such-host.invalid") == 0


def described(**differences: Any) -> dict[str, Any]:
    """What a worker answers that can be measured, but for the differences."""
    answer = {
        "version": VERSION,
        "queues": ["breakeven"],
        "host": "here",
        "pid": 1,
        "identity": "a1",
        "slots": 1,
        "pool": "prefork",
        "autoscale": False,
        "max_tasks_per_child": None,
        "max_memory_per_child": None,
        "usable_cpus": 1.0,
        "python": "3.13",
        "clock": None,
        "payload_dir": None,
        "events": False,
    }
    return {**answer, **differences}


def app_with(**answers: Any) -> Any:
    """An app on whose broker workers of these names give these answers."""
    replies = [{name: answer} for name, answer in answers.items()]
    return SimpleNamespace(control=SimpleNamespace(broadcast=lambda *_, **__: replies))


@pytest.mark.parametrize(
    "answer",
    [{"error": "No such control method"}, "nonsense", None, described(queues=["other"])],
    ids=["another project", "text", "nothing", "another queue"],
)
def test_a_worker_of_somebody_else_is_left_out(answer: Any) -> None:
    assert [worker.name for worker in find(app_with(ours=described(), shop=answer), 5.0)] == ["ours"]


@pytest.mark.parametrize(
    ("differences", "message"),
    [
        ({"version": 0}, r"worker w uses version 0 .* same release"),
        (
            {"max_tasks_per_child": 5},
            r"worker w runs with --max-tasks-per-child 5, .*start it without that option",
        ),
        (
            {"max_memory_per_child": 100},
            r"worker w runs with --max-memory-per-child 100, .*without that option",
        ),
        ({"autoscale": True}, r"worker w runs with --autoscale, .*start it with --concurrency"),
        ({"pool": "gevent"}, r"worker w runs its tasks in the pool gevent, .*start it with --pool prefork"),
    ],
)
def test_a_worker_that_cannot_be_measured_is_refused_by_name_with_the_remedy(
    differences: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnavailableError, match=message):
        find(app_with(w=described(**differences)), 5.0)


def replying(*broadcasts: list[dict[str, Any]]) -> Any:
    """An app on whose broker each broadcast has these replies, and every later one those of the last."""
    replies = iter(broadcasts)
    return SimpleNamespace(control=SimpleNamespace(broadcast=lambda *_, **__: next(replies, broadcasts[-1])))


@pytest.mark.parametrize(
    "differences",
    [{"host": "there"}, {"pid": 2}, {"identity": "b2"}],
    ids=["two hosts", "two processes", "two containers on the network of one host"],
)
def test_two_workers_of_one_name_are_refused(differences: dict[str, Any]) -> None:
    app = replying([{"slot1@here": described()}, {"slot1@here": described(**differences)}])
    with pytest.raises(
        UnavailableError, match=r"2 workers are called slot1@here, .*give each a name of its own"
    ):
        find(app, 5.0)


def test_a_worker_that_answers_twice_or_was_restarted_meanwhile_is_one() -> None:
    app = replying(
        [{"w": described()}, {"w": described()}], [{"w": described(identity="b2")}, {"v": described()}]
    )
    assert [worker.name for worker in find(app, 5.0, expected=2)] == ["v", "w"]


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads"])
def test_a_worker_says_its_pool_and_is_chosen_for_that_pool_alone(pool: Any) -> None:
    found = find(app_with(w=described(pool=pool, slots=1)), 5.0)
    assert [worker.name for worker in choose(found, 1, pool)] == ["w"]
    other = "solo" if pool != "solo" else "threads"
    with pytest.raises(UnavailableError, match=f"the workers of pool {other} that answered have 0"):
        choose(found, 1, other)


@pytest.mark.parametrize(
    ("compose", "remedy"), [("worker", "--scale worker=9', or WORKERS=9 in .env"), ("", "--concurrency 1")]
)
def test_too_few_slots_lead_to_compose_where_workers_are_its_service(
    monkeypatch: pytest.MonkeyPatch, compose: str, remedy: str
) -> None:
    monkeypatch.setenv("BREAKEVEN_WORKERS_AT", compose)
    fleet = [WorkerInfo(f"slot1@{host}", 1, 0.25, "3.13.0", None, None, events=False) for host in "abcd"]
    with pytest.raises(UnavailableError, match=remedy):
        choose(fleet, 9)


def test_throttling_is_the_sum_of_all_workers_and_unknown_if_one_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = [WorkerInfo(name, 1, 0.25, "3.13.0", None, None, events=False) for name in "ab"]
    answer = {
        "slots": 1,
        "usable_cpus": 0.25,
        "python": "3.13.0",
        "clock": None,
        "payload_dir": None,
        "events": False,
    }
    given = {name: {**answer, "throttled_s": 1.5} for name in "ab"}
    monkeypatch.setattr(workers, "ask", lambda *_: given)
    assert workers.throttled_s(None, fleet) == 3.0  # type: ignore[arg-type]
    del given["b"]
    assert workers.throttled_s(None, fleet) is None  # type: ignore[arg-type]
