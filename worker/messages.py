"""What a Celery message of ours says, and what a worker answers: plain values, checked on arrival.

An order is one message: a chunk of tasks that share stage, kernel, transport and placement. The answer
holds one entry a task. Times in an answer are seconds of the worker's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.contract import Failure
from worker.payloads.transport import Reference

VERSION = 1
"""Counted up when a worker of another version could misunderstand a message."""


class ForeignMessageError(ValueError):
    """A message that is not of this version, or not ours at all."""


@dataclass(frozen=True, slots=True)
class Order:
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
    def from_message(cls, message: dict[str, Any]) -> Order:
        """The order that a message holds.

        Raises:
            ForeignMessageError: it is of another version, or lacks a part.
        """
        if message.get("version") != VERSION:
            raise ForeignMessageError(
                f"message of version {message.get('version')!r}, this worker speaks {VERSION}: "
                "use the same release of Breakeven for workers and orchestrator"
            )
        try:
            tasks = [(int(id_), dict(reference)) for id_, reference in message["tasks"]]
            return cls(VERSION, str(message["key"]), str(message["kernel"]), str(message["transport"]), tasks)
        except (KeyError, TypeError, ValueError) as error:
            raise ForeignMessageError(f"a message that is not ours: {error!r}") from None


@dataclass(frozen=True, slots=True)
class Entry:
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
    def from_row(cls, row: Sequence[Any]) -> Entry:
        """The entry again.

        Raises:
            ForeignMessageError: the row is not one of ours.
        """
        try:
            task_id, output, failure, *times = row
            started, fetch, compute, cpu, store, ended = map(float, times)
            why = None if failure is None else Failure(str(failure[0]), str(failure[1]))
            return cls(int(task_id), output, why, started, fetch, compute, cpu, store, ended)
        except (TypeError, ValueError, IndexError) as error:
            raise ForeignMessageError(f"an answer that is not ours: {error!r}") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an order: who did it, and an entry a task."""

    worker: str
    slot: str
    entries: Sequence[Entry]

    def as_result(self) -> dict[str, Any]:
        """The Celery task's result."""
        return {
            "version": VERSION,
            "worker": self.worker,
            "slot": self.slot,
            "entries": [entry.as_row() for entry in self.entries],
        }

    @classmethod
    def from_result(cls, result: Any) -> Answer:
        """The answer that a Celery result holds.

        Raises:
            ForeignMessageError: it is of another version, or not ours at all.
        """
        if not isinstance(result, dict) or result.get("version") != VERSION:
            raise ForeignMessageError("a result that no worker of this version wrote")
        try:
            entries = [Entry.from_row(row) for row in result["entries"]]
            return cls(str(result["worker"]), str(result["slot"]), entries)
        except KeyError as error:
            raise ForeignMessageError(f"an answer without {error}") from None
