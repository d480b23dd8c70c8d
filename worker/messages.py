"""What a Celery message of ours says, and what a worker answers: plain values, checked on arrival.

An order is one message: a chunk of tasks that share stage, kernel, transport and placement. The answer
holds one entry a task. Times in an answer are seconds of the worker's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.contract import Failure
from worker.payloads import TRANSPORTS
from worker.payloads.transport import KEY, Reference, checked_reference
from worker.redaction import escape_control

VERSION = 2
"""Counted up when a worker of another version could misunderstand a message."""


MOST_TASKS = 100_000
"""Tasks in one message; a chunk cannot be larger, and neither can an answer."""

MOST_LETTERS = 250
"""Of a name: a kernel's, a transport's, a worker's, a payload's."""

LONGEST_S = 1e12
"""No monotonic clock has counted so far."""

STORE_FAILED = "PayloadStoreError"
"""The failure type of a task whose payload store let it down."""


class ForeignMessageError(ValueError):
    """A message that is not of this version, or not ours at all."""


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A chunk of tasks for one worker slot; `key` begins the name of everything it stores."""

    version: int
    key: str
    kernel: str
    transport: str
    tasks: Sequence[tuple[int, Reference]]

    def as_message(self) -> dict[str, Any]:
        """The keyword arguments of the Celery task."""
        return {
            "version": self.version,
            "key": self.key,
            "kernel": self.kernel,
            "transport": self.transport,
            "tasks": self.tasks,
        }

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> TaskMessage:
        """The order that a message holds, every part of it of the kind and size that it may be.

        Raises:
            ForeignMessageError: it is of another version, lacks a part, or has one that is none of ours.
        """
        if message.get("version") != VERSION:
            raise ForeignMessageError(
                f"message of version {message.get('version')!r:.80}, this worker speaks {VERSION}: "
                "use the same release of Breakeven for workers and orchestrator"
            )
        try:
            key, transport = _text(message["key"]), _text(message["transport"])
            if transport not in TRANSPORTS:
                raise ValueError(f"transport {transport!r}; this worker knows {', '.join(TRANSPORTS)}")
            if not KEY.fullmatch(key):
                raise ValueError(f"{key!r} is no name of a payload")
            tasks = [(_id(id_), checked_reference(reference)) for id_, reference in _rows(message["tasks"])]
            return cls(VERSION, key, _text(message["kernel"]), transport, tasks)
        except (KeyError, TypeError, ValueError) as error:
            raise ForeignMessageError(f"a message that is not ours: {_brief(error)}") from None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task's part of an answer: where its output is, or why there is none, and its times on the worker.

    `started_at` and `ended_at` are readings of the worker's monotonic clock.
    """

    task_id: int
    output: Reference | None
    failure: Failure | None
    started_at: float
    fetch_s: float
    compute_s: float
    compute_cpu_s: float
    store_s: float
    ended_at: float

    def as_row(self) -> list[Any]:
        """The entry as plain values, in the order of the fields."""
        failure = None if self.failure is None else [self.failure.type, self.failure.message]
        times = [
            self.started_at,
            self.fetch_s,
            self.compute_s,
            self.compute_cpu_s,
            self.store_s,
            self.ended_at,
        ]
        return [self.task_id, self.output, failure, *times]

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> TaskResult:
        """The entry again.

        Raises:
            ForeignMessageError: the row is not one of ours.
        """
        try:
            task_id, output, failure, *times = row
            started, fetch, compute, cpu, store, ended = map(_seconds, times)
            why = None if failure is None else Failure(*map(str, failure))
            reference = None if output is None else checked_reference(output)
            return cls(_id(task_id), reference, why, started, fetch, compute, cpu, store, ended)
        except (TypeError, ValueError) as error:
            raise ForeignMessageError(f"an answer that is not ours: {_brief(error)}") from None


@dataclass(frozen=True, slots=True)
class TaskReply:
    """What came of an order: who did it, and an entry a task.

    `repeated`: the order was given before, to a worker that was lost or did not answer in time.
    """

    worker: str
    slot: str
    entries: Sequence[TaskResult]
    repeated: bool = False

    def as_result(self) -> dict[str, Any]:
        """The Celery task's result."""
        return {
            "version": VERSION,
            "worker": self.worker,
            "slot": self.slot,
            "repeated": self.repeated,
            "entries": [entry.as_row() for entry in self.entries],
        }

    @classmethod
    def from_result(cls, result: Any) -> TaskReply:
        """The answer that a Celery result holds.

        Raises:
            ForeignMessageError: it is of another version, or not ours at all.
        """
        if not isinstance(result, dict) or result.get("version") != VERSION:
            raise ForeignMessageError("a result that no worker of this version wrote")
        try:
            entries = [TaskResult.from_row(row) for row in _rows(result["entries"])]
            worker, slot = (
                escape_control(str(result[name]), longest=MOST_LETTERS) for name in ("worker", "slot")
            )
            return cls(worker, slot, entries, bool(result["repeated"]))
        except ForeignMessageError:
            raise
        except KeyError as error:
            raise ForeignMessageError(f"an answer without {error}") from None
        except (TypeError, ValueError) as error:
            raise ForeignMessageError(f"an answer that is not ours: {_brief(error)}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_LETTERS:
        raise ValueError(f"a name that is {value!r:.80}")
    return value


def _id(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"a task of number {value!r:.80}")
    return value


def _rows(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or len(value) > MOST_TASKS:
        raise ValueError(f"no list of up to {MOST_TASKS} tasks")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) <= LONGEST_S:  # no NaN either
        raise ValueError(f"a time of {value!r:.80} s")
    return float(value)


def _brief(error: Exception) -> str:
    """What is wrong, in a line: it goes into logs and results, and whoever wrote the message chose what it quotes."""
    return escape_control(f"{error!r}" if isinstance(error, KeyError) else str(error), longest=300)
