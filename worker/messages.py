"""The wire format: what a Celery message of ours contains, and what a worker replies; checked on arrival.

A `TaskMessage` is a chunk of tasks that share stage, kernel and transport; the `TaskReply` has one `TaskResult` a task.
Times in a reply are seconds of the worker's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from worker.contract import Failure
from worker.payloads import TRANSPORTS
from worker.payloads.transport import KEY, Reference, checked_reference
from worker.redaction import escape_control

VERSION: Final = 3  # increased when a worker of another version could misunderstand a message
MAX_TASKS: Final = 100_000  # in a message or reply
MAX_NAME_CHARACTERS: Final = 250  # of a kernel, a transport, a worker or a payload
MAX_SECONDS: Final = 1e12  # of a monotonic clock
STORE_FAILED: Final = "PayloadStoreError"  # the failure type of a task whose payload store failed


class ForeignMessageError(ValueError):
    """A message of another version, or not one of ours."""


class TaskMessage(NamedTuple):
    """A chunk of tasks for one worker slot; the names of what it stores begin with `key`."""

    version: int
    key: str
    kernel: str
    transport: str
    tasks: Sequence[tuple[int, Reference]]

    def as_message(self) -> dict[str, Any]:
        """Return the keyword arguments of the Celery task."""
        return self._asdict()

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> TaskMessage:
        """Read a message, checking the type and size of each part.

        Raises:
            ForeignMessageError: it is of another version, or has a missing or invalid part.
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
                raise ValueError(f"{key!r} is not the name of a payload")
            tasks = [(_id(id_), checked_reference(reference)) for id_, reference in _rows(message["tasks"])]
            return cls(VERSION, key, _text(message["kernel"]), transport, tasks)
        except (KeyError, TypeError, ValueError) as error:
            raise ForeignMessageError(f"an invalid message: {_brief(error)}") from None


class TaskResult(NamedTuple):
    """One task's output or failure, and its times on the worker's monotonic clock, in seconds."""

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
        """Return plain values in the order of the fields."""
        task_id, output, failure, *times = self
        return [task_id, output, failure and [failure.type, failure.message], *times]

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> TaskResult:
        """Read what `as_row` returned.

        Raises:
            ForeignMessageError: the row is invalid.
        """
        try:
            task_id, output, failure, *times = row
            why = None if failure is None else Failure(*map(str, failure))
            reference = None if output is None else checked_reference(output)
            return cls(_id(task_id), reference, why, *map(_seconds, times))
        except (TypeError, ValueError) as error:
            raise ForeignMessageError(f"an invalid reply: {_brief(error)}") from None


class TaskReply(NamedTuple):
    """A worker's reply to a `TaskMessage`.

    `repeated`: the message was delivered before, to a worker that was lost or did not reply in time.
    """

    worker: str
    slot: str
    results: Sequence[TaskResult]
    repeated: bool = False

    def as_result(self) -> dict[str, Any]:
        """Return the result of the Celery task."""
        return {
            "version": VERSION,
            "worker": self.worker,
            "slot": self.slot,
            "repeated": self.repeated,
            "entries": [each.as_row() for each in self.results],
        }

    @classmethod
    def from_result(cls, result: Any) -> TaskReply:
        """Read the result of a Celery task.

        Raises:
            ForeignMessageError: it is of another version, or invalid.
        """
        if not isinstance(result, dict) or result.get("version") != VERSION:
            raise ForeignMessageError("a result of another version, or of another program")
        try:
            results = [TaskResult.from_row(row) for row in _rows(result["entries"])]
            worker, slot = (
                escape_control(str(result[name]), longest=MAX_NAME_CHARACTERS) for name in ("worker", "slot")
            )
            return cls(worker, slot, results, bool(result["repeated"]))
        except ForeignMessageError:
            raise
        except KeyError as error:
            raise ForeignMessageError(f"a reply without {error}") from None
        except (TypeError, ValueError) as error:
            raise ForeignMessageError(f"an invalid reply: {_brief(error)}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME_CHARACTERS:
        raise ValueError(f"an invalid name {value!r:.80}")
    return value


def _id(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"an invalid task id {value!r:.80}")
    return value


def _rows(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or len(value) > MAX_TASKS:
        raise ValueError(f"not a list of up to {MAX_TASKS} tasks")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) <= MAX_SECONDS:  # no NaN either
        raise ValueError(f"an invalid time {value!r:.80} s")
    return float(value)


def _brief(error: Exception) -> str:
    # It goes into logs and results, and quotes what the sender chose.
    return escape_control(f"{error!r}" if isinstance(error, KeyError) else str(error), longest=300)
