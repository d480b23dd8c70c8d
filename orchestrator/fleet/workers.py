"""The workers of a fleet: found, described, timed and chosen over Celery's remote control."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from celery import Celery

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet import answers
from orchestrator.model.environment import Worker
from orchestrator.model.runs import DEFAULT_POOL, Pool
from worker.app import PREFIX
from worker.messages import VERSION
from worker.payloads.redis import connect
from worker.redaction import escape_control
from worker.remote_control import probe_key
from worker.settings import Settings

COMMAND_TIMEOUT_S: Final = 15.0  # seconds a worker may take to follow a command

POLL_S: Final = 1.0  # seconds each poll of a starting fleet gathers answers; containers start one by one
START_S: Final = 60.0  # seconds a fleet's containers may take from their start until all workers answer

PAYLOAD_LOOKUP_S: Final = 10.0  # seconds a worker may take to look up a payload
PAYLOAD_EXPIRY_S: Final = 60  # seconds after which the server deletes that payload if this process cannot


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a worker's monotonic clock is ahead of ours, and how certain that is, in seconds."""

    offset_s: float
    bound_s: float


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker of the fleet, as it describes itself."""

    name: str
    slots: int
    usable_cpus: float
    python: str
    clock: str | None
    payload_dir: str | None
    events: bool
    offset: Offset | None = None
    functions: tuple[answers.FunctionDescription, ...] = ()
    pool: Pool = DEFAULT_POOL

    def as_worker(self) -> Worker:
        """Return what the result file keeps of it."""
        offset = None if self.offset is None else self.offset.offset_s
        bound = None if self.offset is None else self.offset.bound_s
        name, python = (escape_control(text, longest=250) for text in (self.name, self.python))
        return Worker(name, self.slots, self.usable_cpus, python, offset, bound, self.events)


def ask(
    app: Celery, command: str, to: Collection[str] | None, timeout_s: float, **arguments: Any
) -> dict[str, Any]:
    """Send a remote-control command and return the answers by worker name.

    Args:
        app: the Celery application on the fleet's broker.
        command: the name of the command.
        to: the workers to ask; the call returns once all have answered. With `None` it asks every worker and takes
            the whole `timeout_s`.
        timeout_s: how long to wait for answers.
        arguments: the command's arguments.
    """
    if to is not None and not to:
        return {}
    replies = app.control.broadcast(
        command,
        arguments=arguments,
        destination=None if to is None else list(to),
        reply=True,
        timeout=timeout_s,
        limit=None if to is None else len(to),
    )
    return dict(_answers(replies))


def _answers(replies: Iterable[Any] | None) -> Iterator[tuple[str, Any]]:
    """Yield each worker's name with its answer; skip what is not a reply."""
    for reply in replies or ():
        if isinstance(reply, dict):
            yield from ((escape_control(str(name), longest=250), answer) for name, answer in reply.items())


def command(
    app: Celery, name: str, to: Collection[str], deadline: float | None = None, **arguments: str | bool
) -> dict[str, Any]:
    """Send a remote-control command that all workers in `to` must answer; return the answers by worker name.

    Args:
        app: the Celery application on the fleet's broker.
        name: the name of the command.
        to: the workers.
        deadline: when they must have answered, by the monotonic clock; `COMMAND_TIMEOUT_S` from now if not given.
        arguments: the command's arguments.

    Raises:
        UnavailableError: a worker gave no answer in time.
    """
    timeout_s = COMMAND_TIMEOUT_S if deadline is None else max(0.0, deadline - time.monotonic())
    found = ask(app, name, to, timeout_s, **arguments)
    silent = set(to) - set(found)
    if silent:
        raise UnavailableError(
            f"worker {', '.join(sorted(silent))} gave no answer to {name} within {COMMAND_TIMEOUT_S:.0f} s; "
            "see if it still runs"
        )
    return found


def find(app: Celery, timeout_s: float, expected: int | None = None) -> list[WorkerInfo]:
    """Return the workers that answer within `timeout_s`, at once when there are `expected` of them.

    With `expected` None, return as soon as any have answered. Workers of other projects are left out.

    Raises:
        UnavailableError: a worker of Breakeven's cannot be measured, or two have the same name.
    """
    deadline = time.monotonic() + timeout_s
    found: dict[str, Any] = {}
    others: set[str] = set()
    while True:
        signals.check()
        wait_s = min(POLL_S, max(0.05, deadline - time.monotonic()))
        limit = None if expected is None else expected + len(others)
        replies = app.control.broadcast("breakeven_describe", reply=True, timeout=wait_s, limit=limit)
        replied = [*_answers(replies)]
        ours = [(name, answer) for name, answer in replied if _is_ours(answer)]
        _reject_duplicate_names(ours)
        found.update(ours)
        others.update(name for name, _ in replied if name not in found)
        is_complete = bool(found) if expected is None else len(found) >= expected
        if is_complete or time.monotonic() >= deadline:
            return [_worker_info(name, answer) for name, answer in sorted(found.items())]


def find_others(app: Celery, fleet: Iterable[WorkerInfo]) -> list[str]:
    """Return the names of the workers on the broker that are not in the fleet."""
    return sorted(ask(app, "ping", None, POLL_S).keys() - {worker.name for worker in fleet})


def _is_ours(answer: Any) -> bool:
    """Return whether a worker is Breakeven's and consumes its queue; others do not know the question."""
    if not isinstance(answer, dict) or "version" not in answer:
        return False
    queues = answer.get("queues", [PREFIX])
    return isinstance(queues, list) and PREFIX in queues


def _reject_duplicate_names(replied: Iterable[tuple[str, Any]]) -> None:
    """Raise if two workers share a name: they would look like one and do the work of two."""
    processes: dict[str, set[tuple[str, ...]]] = {}
    for name, answer in replied:
        # Not the number of replies: one worker may answer twice when it has connected to its broker again.
        identity = tuple(str(answer.get(part)) for part in ("host", "pid", "identity"))
        processes.setdefault(name, set()).add(identity)
    for name, found in processes.items():
        if len(found) > 1:
            raise UnavailableError(
                f"{len(found)} workers are called {name}, so their answers cannot be told apart; give each a name of "
                "its own: celery -A worker.app worker --hostname w1@%h, --hostname w2@%h"
            )


def _worker_info(name: str, answer: dict[str, Any]) -> WorkerInfo:
    if answer["version"] != VERSION:
        raise UnavailableError(
            f"worker {name} uses version {answer['version']!r:.80} of Breakeven's messages, "
            f"this orchestrator {VERSION}; stop it, or bring both to the same release"
        )
    description = answers.read(answers.Description, name, "breakeven_describe", answer)
    _reject_unmeasurable(name, description)
    return WorkerInfo(
        name=name,
        slots=description.slots,
        usable_cpus=description.usable_cpus,
        python=description.python,
        clock=description.clock,
        payload_dir=description.payload_dir,
        events=description.events,
        functions=tuple(description.functions),
        pool=cast(Pool, description.pool),
    )


def _reject_unmeasurable(name: str, description: answers.Description) -> None:
    """Raise if the worker replaces its slots, changes their number, or has another kind of pool."""
    for option in ("max_tasks_per_child", "max_memory_per_child"):
        if limit := getattr(description, option):
            raise UnavailableError(
                f"worker {name} runs with --{option.replace('_', '-')} {limit}, so it replaces its processes "
                "while it is measured; start it without that option"
            )
    if description.autoscale:
        raise UnavailableError(
            f"worker {name} runs with --autoscale, so the number of its slots changes while it is measured; "
            "start it with --concurrency instead"
        )
    if description.pool not in get_args(Pool):
        raise UnavailableError(
            f"worker {name} runs its tasks in the pool {description.pool}, which cannot be measured; "
            "start it with --pool prefork"
        )


def wait_for_workers(app: Celery, timeout_s: float) -> list[WorkerInfo]:
    """Return the workers on the app's broker, waiting for a fleet that is still starting.

    `BREAKEVEN_WORKERS_AT` may name a host with one address for each worker, as a Compose service has; then all of
    them must answer. Without it, the workers that answer first are taken.

    Args:
        app: the Celery application on the fleet's broker.
        timeout_s: how long the first worker may take.

    Raises:
        UnavailableError: some workers do not answer in time, or one cannot be used.
    """
    host = os.environ.get("BREAKEVEN_WORKERS_AT")
    if not host:
        return find(app, timeout_s)
    return wait_until_complete(app, lambda: address_count(host), timeout_s)


def wait_until_complete(
    app: Celery, count_started: Callable[[], int], timeout_s: float, start_s: float = START_S
) -> list[WorkerInfo]:
    """Return the workers once as many answer as were started, and no more are starting.

    More may answer: workers of other machines are not in the count. If none are ever started, return none.

    Raises:
        UnavailableError: fewer answer after `start_s`, or one cannot be used.
    """
    began = time.monotonic()
    while True:
        signals.check()
        expected = count_started()
        found = find(app, POLL_S)
        if found and len(found) >= expected == count_started():
            return found
        if time.monotonic() - began > (start_s if expected else timeout_s):
            break
    if not expected:
        return found
    fewer = max(1, len(found))
    raise UnavailableError(
        f"{len(found)} of {expected} workers answered within {start_s:.0f} s; see the log of the others with "
        f"'docker compose logs worker', or run without them: {compose_scale(fewer)}"
    )


def in_compose() -> bool:
    """Return whether the workers are a service of Docker Compose, as docker-compose.yml tells the orchestrator."""
    return bool(os.environ.get("BREAKEVEN_WORKERS_AT"))


def compose_scale(number: int) -> str:
    """Return how a user of Compose has this many workers, now or for good."""
    return f"'docker compose up --scale worker={number}', or WORKERS={number} in .env"


def address_count(host: str) -> int:
    """Return how many addresses a host name has; 0 if it is unknown."""
    try:
        return len({entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except socket.gaierror:
        return 0


def payload_store_faults(
    app: Celery, settings: Settings, run_id: str, workers: Iterable[WorkerInfo]
) -> dict[str, str]:
    """Return the workers that cannot read a payload that we store, each with the reason.

    Workers and orchestrator are configured apart, so they may use different stores.

    Raises:
        redis.RedisError: this process cannot store one.
    """
    key = probe_key(run_id)
    names = [worker.name for worker in workers]
    with connect(settings.payload_store_url, tls=settings.tls) as client:
        client.set(key, b"", ex=PAYLOAD_EXPIRY_S)
        found = ask(app, "breakeven_payload", names, PAYLOAD_LOOKUP_S, run=run_id)
        client.unlink(key)
    faults = {name: _payload_fault(name, found.get(name)) for name in names}
    return {name: fault for name, fault in faults.items() if fault is not None}


def _payload_fault(name: str, answer: Any) -> str | None:
    if answer is None:
        return f"did not say within {PAYLOAD_LOOKUP_S:.0f} s whether it finds payloads"
    lookup = answers.read(answers.PayloadLookup, name, "breakeven_payload", answer)
    if lookup.found:
        return None
    if lookup.error is None:
        return "looks for payloads in another store"
    return f"cannot use its payload store: {lookup.error}"


def check_function(workers: Iterable[WorkerInfo], function: str, version: str | None) -> None:
    """Check that every worker may call a user's function, and has the orchestrator's version of its module.

    Raises:
        UnavailableError: one may not, cannot, or has another.
    """
    for worker in workers:
        name = escape_control(worker.name, longest=250)
        known = next((each for each in worker.functions if each.name == function), None)
        if known is None:
            raise UnavailableError(
                f"worker {name} does not allow {function}; start it with BREAKEVEN_FUNCTIONS={function}"
            )
        if known.error is not None:
            reason = escape_control(known.error, longest=1000)
            raise UnavailableError(f"worker {name} cannot call {function}: {reason}; then start it again")
        if known.version != version:
            raise UnavailableError(
                f"worker {name} has another version of the module {function.partition(':')[0]}; bring the same file to "
                "both sides, and start the worker again"
            )


def throttled_s(app: Celery, workers: Collection[WorkerInfo]) -> float | None:
    """Return the seconds that CPU quotas have held workers back; `None` if one does not answer."""
    name = "breakeven_describe"
    found = ask(app, name, [worker.name for worker in workers], POLL_S)
    if len(found) < len(workers):
        return None
    return sum(
        answers.read(answers.Description, who, name, each).throttled_s or 0.0 for who, each in found.items()
    )


def choose(workers: Iterable[WorkerInfo], slots: int, pool: Pool = DEFAULT_POOL) -> list[WorkerInfo]:
    """Choose workers of a pool with exactly `slots` slots: as few workers as possible, the largest first.

    Raises:
        UnavailableError: no set of these workers has exactly that many slots.
    """
    of_pool = (worker for worker in workers if worker.pool == pool)
    candidates = sorted(of_pool, key=lambda worker: (-worker.slots, worker.name))
    reachable: dict[int, list[WorkerInfo]] = {0: []}
    for worker in candidates:
        for subtotal, chosen in list(reachable.items()):
            total = subtotal + worker.slots
            if total <= slots and (total not in reachable or len(reachable[total]) > len(chosen) + 1):
                reachable[total] = [*chosen, worker]
    if slots in reachable:
        return reachable[slots]
    available = sum(worker.slots for worker in candidates)
    sizes = ", ".join(str(worker.slots) for worker in candidates) or "none"
    more = "start workers with --concurrency 1"
    if in_compose() and candidates:
        needed = -(-slots // candidates[0].slots)
        more = f"start {needed} workers: {compose_scale(needed)}"
    which = "workers" if pool == DEFAULT_POOL else f"workers of pool {pool}"
    raise UnavailableError(
        f"{slots} slots were asked for, and the {which} that answered have {available} (by worker: {sizes}); "
        f"ask for --slots that some of them add up to, or {more}"
    )
