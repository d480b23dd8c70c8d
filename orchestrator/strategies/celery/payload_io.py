"""Stores the inputs of Celery batches and fetches their outputs, on the clock or, for resident data, off it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from orchestrator.errors import UnavailableError
from worker.contract import LOST, Failure, Outcome, Payload, Task
from worker.messages import ForeignMessageError, TaskResult
from worker.payloads.transport import PayloadMissingError, Reference, Transport
from worker.stages import as_payload


class PayloadIO:
    """Stores inputs where workers fetch them, and fetches outputs from where workers store them.

    With `resident` data the inputs are stored before a batch starts, and the outputs stay in the store.
    """

    def __init__(self, transport: Transport, resident: bool) -> None:
        self._transport = transport
        self.resident = resident
        self._inputs: dict[int, Reference] = {}
        self._outputs: dict[int, Reference] = {}

    @property
    def copies(self) -> int:
        """How many times a payload is moved into or out of the store on the clock."""
        return 1 if self.resident else 2

    def prepare(self, key: str, tasks: Sequence[Task]) -> None:
        """Store a batch's resident inputs, under names that begin with `key`."""
        if self.resident:
            self.delete_inputs()
            references = self._store(key, tasks)
            self._inputs = {task.id: each for task, each in zip(tasks, references, strict=True)}

    def store(self, key: str, chunk: Sequence[Task]) -> Sequence[Reference]:
        """Return references to a chunk's inputs; store them unless they are resident."""
        if self._inputs:
            return [self._inputs[task.id] for task in chunk]
        return self._store(key, chunk)

    def _store(self, key: str, tasks: Sequence[Task]) -> Sequence[Reference]:
        try:
            payloads = [(f"{key}:in:{task.id}", as_payload(task.stage, task.payload)) for task in tasks]
            return self._transport.put_many(payloads)
        except ConnectionError:
            raise  # it is an OSError too
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise UnavailableError(
                f"an input cannot be stored: {reason}; free space in BREAKEVEN_PAYLOAD_DIR, use fewer or smaller "
                "--images, or use --transport redis"
            ) from None

    def take(self, results: Sequence[TaskResult]) -> dict[int, Payload | PayloadMissingError]:
        """Fetch outputs in one round trip and return them by task id; leave resident ones in the store.

        Raises:
            ForeignMessageError: a result's reference is not one of ours.
        """
        references = {result.task_id: result.output for result in results if result.output is not None}
        if self.resident:
            self._outputs.update(references)
            return {}
        try:
            found = self._transport.get_many([*references.values()], take=True)
        except (TypeError, KeyError, ValueError) as error:
            raise ForeignMessageError(f"a reply whose outputs are not ours: {error!r}") from None
        return dict(zip(references, found, strict=True))

    def fetch(self, outcome: Outcome) -> Outcome:
        """Return the outcome with its output, fetched from the store if it is resident."""
        reference = self._outputs.get(outcome.task_id)
        if reference is None:
            return outcome
        (output,) = self._transport.get_many([reference], take=True)
        del self._outputs[outcome.task_id]
        if isinstance(output, PayloadMissingError):
            return outcome._replace(output=None, failure=Failure(LOST, str(output)))
        return outcome._replace(output=output, failure=None)

    def delete_inputs(self) -> None:
        """Delete resident inputs."""
        self._delete(self._inputs)

    def delete_outputs(self) -> None:
        """Delete resident outputs that were not fetched."""
        self._delete(self._outputs)

    def _delete(self, resident: dict[int, Reference]) -> None:
        self._transport.delete(resident.values())
        resident.clear()
