"""Where the payloads of Celery batches lie: sent along with each message, or in the store before and after."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orchestrator.errors import UnavailableError
from worker.contract import LOST, Failure, Outcome, Payload, Task
from worker.messages import ForeignMessageError, TaskResult
from worker.payloads.transport import PayloadMissingError, Reference, Transport


class PayloadIO:
    """Puts inputs where workers find them, and gets outputs from where they put them.

    With `resident` data the inputs are in the store before a batch starts, and the outputs stay there.
    """

    def __init__(self, transport: Transport, resident: bool) -> None:
        """Use `transport`."""
        self._transport = transport
        self.resident = resident
        self._inputs: dict[int, Reference] = {}
        self._outputs: dict[int, Reference] = {}

    @property
    def copies(self) -> int:
        """How many times a payload is moved, in and out of the store, while the clock runs."""
        return 1 if self.resident else 2

    def settle(self, key: str, tasks: Sequence[Task]) -> None:
        """Put a batch's resident inputs into the store, under names that begin with `key`."""
        if self.resident:
            self._drop(self._inputs)
            with _store_errors():
                references = self._transport.put_many(
                    [(f"{key}:in:{task.id}", task.payload) for task in tasks]
                )
            self._inputs = {task.id: each for task, each in zip(tasks, references, strict=True)}

    def put(self, key: str, chunk: Sequence[Task]) -> Sequence[Reference]:
        """References to the inputs of a chunk, which are in the store from now on at the latest."""
        if self._inputs:
            return [self._inputs[task.id] for task in chunk]
        with _store_errors():
            return self._transport.put_many([(f"{key}:in:{task.id}", task.payload) for task in chunk])

    def take(self, entries: Sequence[TaskResult]) -> dict[int, Payload | PayloadMissingError]:
        """Task id to output, fetched in one round trip; nothing for resident ones.

        Raises:
            ForeignMessageError: an entry refers to no payload of ours.
        """
        with_output = [entry for entry in entries if entry.output is not None]
        references = [entry.output for entry in with_output if entry.output is not None]
        if self.resident:
            self._outputs.update(
                (entry.task_id, reference) for entry, reference in zip(with_output, references, strict=True)
            )
            return {}
        try:
            found = self._transport.get_many(references, take=True)
        except (TypeError, KeyError, ValueError) as error:
            raise ForeignMessageError(f"an answer whose outputs are not ours: {error!r}") from None
        return {entry.task_id: output for entry, output in zip(with_output, found, strict=True)}

    def fetch(self, outcome: Outcome) -> Outcome:
        """The outcome with its output here, where that is in the store still."""
        reference = self._outputs.get(outcome.task_id)
        if reference is None:
            return outcome
        (output,) = self._transport.get_many([reference], take=True)
        del self._outputs[outcome.task_id]
        if isinstance(output, PayloadMissingError):
            return Outcome(outcome.task_id, None, Failure(LOST, str(output)), outcome.hops, outcome.slot)
        return Outcome(outcome.task_id, output, None, outcome.hops, outcome.slot)

    def drop_inputs(self) -> None:
        """Delete resident inputs that have served."""
        self._drop(self._inputs)

    def drop_outputs(self) -> None:
        """Delete resident outputs that nobody came for."""
        self._drop(self._outputs)

    def _drop(self, resident: dict[int, Reference]) -> None:
        self._transport.delete(resident.values())
        resident.clear()


@contextmanager
def _store_errors() -> Iterator[None]:
    """A folder that takes no more payloads is nothing that a task can help."""
    try:
        yield
    except ConnectionError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise UnavailableError(
            f"an input cannot be stored: {reason}; make room in BREAKEVEN_PAYLOAD_DIR, ask for fewer or smaller "
            "--images, or use --transport redis"
        ) from None
