"""Who is in the fleet: workers found, described, timed and told what to serve, over Celery's remote control."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from celery import Celery

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.model.environment import Worker
from worker.messages import VERSION
from worker.redaction import escape_control
from worker.remote_control import clock_identity

SAME_CLOCK_BOUND_S = 1e-6

COMMAND_TIMEOUT_S = 15.0
"""How long workers may take to do as they are told."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a worker's monotonic clock is ahead of ours, known to within `bound_s`."""

    offset_s: float
    bound_s: float


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker of the fleet: what it tells of itself."""

    name: str
    slots: int
    usable_cpus: float
    python: str
    clock: str | None
    payload_dir: str | None
    events: bool
    offset: Offset | None = None

    def as_worker(self) -> Worker:
        """What the result file keeps of it."""
        offset = None if self.offset is None else self.offset.offset_s
        bound = None if self.offset is None else self.offset.bound_s
        name, python = (escape_control(text, longest=250) for text in (self.name, self.python))
        return Worker(name, self.slots, self.usable_cpus, python, offset, bound, self.events)


def ask(
    app: Celery, command: str, to: Collection[str] | None, timeout_s: float, **arguments: Any
) -> dict[str, Any]:
    """Send a remote-control command and gather the answers by worker name.

    Returns as soon as everybody in `to` has answered; with `to` None it waits the whole `timeout_s`.
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
    return {name: answer for reply in replies or () for name, answer in reply.items()}


def command(app: Celery, command: str, to: Collection[str], **arguments: str | bool) -> dict[str, Any]:
    """Send a remote-control command that everybody in `to` has to follow; gives the answers by worker name.

    Raises:
        UnavailableError: one does not answer within `COMMAND_TIMEOUT_S`.
    """
    answers = ask(app, command, to, COMMAND_TIMEOUT_S, **arguments)
    silent = set(to) - set(answers)
    if silent:
        raise UnavailableError(
            f"worker {', '.join(sorted(silent))} gave no answer to {command} within {COMMAND_TIMEOUT_S:.0f} s; "
            "see if it still runs"
        )
    return answers


def find(app: Celery, timeout_s: float, expected: int | None = None) -> list[WorkerInfo]:
    """The workers that answer within `timeout_s`; returns at once when `expected` of them have.

    Raises:
        UnavailableError: a worker speaks another version of our messages, or two have one name.
    """
    deadline = time.monotonic() + timeout_s
    found: dict[str, Any] = {}
    while True:
        signals.check()
        wait = min(1.0, max(0.05, deadline - time.monotonic()))
        found.update(_describe(app, wait, expected))
        if (expected is not None and len(found) >= expected) or time.monotonic() >= deadline:
            return [_member(name, answer) for name, answer in sorted(found.items())]
        if expected is None and found:
            return [_member(name, answer) for name, answer in sorted(found.items())]


def _describe(app: Celery, timeout_s: float, expected: int | None) -> dict[str, Any]:
    replies = app.control.broadcast("breakeven_describe", reply=True, timeout=timeout_s, limit=expected) or ()
    answers = [each for reply in replies for each in reply.items()]
    _refuse_namesakes(answers)
    return dict(answers)


def _refuse_namesakes(answers: Iterable[tuple[str, Any]]) -> None:
    """Two workers of one name look like one, and do the work of two.

    Raises:
        UnavailableError: there are such.
    """
    processes: dict[str, set[tuple[Any, Any]]] = {}
    for name, answer in answers:
        if isinstance(answer, dict):
            processes.setdefault(name, set()).add((answer.get("host"), answer.get("pid")))
    for name, several in processes.items():
        if len(several) > 1:
            raise UnavailableError(
                f"{len(several)} workers are called {name}, so that they cannot be told apart; start each with a name "
                "of its own: celery -A worker.app worker --hostname w1@%h, --hostname w2@%h"
            )


def _member(name: str, answer: dict[str, Any]) -> WorkerInfo:
    if not isinstance(answer, dict) or answer.get("version") != VERSION:
        theirs = answer.get("version") if isinstance(answer, dict) else answer
        raise UnavailableError(
            f"worker {name} speaks version {theirs!r} of Breakeven's messages, this orchestrator {VERSION}: "
            "stop it, or bring both to the same release"
        )
    return WorkerInfo(
        name=name,
        slots=int(answer["slots"]),
        usable_cpus=float(answer["usable_cpus"]),
        python=str(answer["python"]),
        clock=answer["clock"],
        payload_dir=answer["payload_dir"],
        events=bool(answer["events"]),
    )


def estimate_offset(
    ask_clock: Callable[[], float | None], trips: int = 5, clock: Callable[[], float] = time.monotonic
) -> Offset | None:
    """A remote clock's offset from the round trip that was shortest: Cristian's algorithm.

    The remote reading was taken somewhere between sending and receiving, so the middle is off by at most
    half the round trip. Source: F. Cristian, "Probabilistic clock synchronization", Distributed Computing 3, 1989.

    Args:
        ask_clock: asks for the remote reading, in seconds; `None` where no answer came.
        trips: round trips to choose from.
        clock: our own clock, seconds.
    """
    best: Offset | None = None
    for _ in range(trips):
        sent = clock()
        reading = ask_clock()
        received = clock()
        if reading is None:
            continue
        bound = (received - sent) / 2
        if best is None or bound < best.bound_s:
            best = Offset(reading - (sent + received) / 2, bound)
    return best


def measure_offset(app: Celery, member: WorkerInfo, timeout_s: float = 2.0) -> Offset | None:
    """The offset of a member's clock; exactly none where it is this very machine's clock."""
    if member.clock is not None and member.clock == clock_identity():
        return Offset(0.0, SAME_CLOCK_BOUND_S)

    def ask_clock() -> float | None:
        answer = ask(app, "breakeven_clock", [member.name], timeout_s).get(member.name)
        return None if answer is None else float(answer["monotonic_s"])

    return estimate_offset(ask_clock)


def choose(members: Iterable[WorkerInfo], slots: int) -> list[WorkerInfo]:
    """Workers whose slots add up to exactly `slots`, as few workers as possible, the largest first.

    Raises:
        UnavailableError: no set of these workers has exactly that many slots.
    """
    candidates = sorted(members, key=lambda member: (-member.slots, member.name))
    reachable: dict[int, list[WorkerInfo]] = {0: []}
    for member in candidates:
        for total, chosen in list(reachable.items()):
            sum_ = total + member.slots
            if sum_ <= slots and (sum_ not in reachable or len(reachable[sum_]) > len(chosen) + 1):
                reachable[sum_] = [*chosen, member]
    if slots in reachable:
        return reachable[slots]
    have = sum(member.slots for member in candidates)
    sizes = ", ".join(str(member.slots) for member in candidates) or "none"
    raise UnavailableError(
        f"{slots} slots were asked for, and the workers that answered have {have} (by worker: {sizes}); "
        f"ask for --slots that some of them add up to, or start workers with --concurrency 1"
    )
