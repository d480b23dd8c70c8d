"""Celery as its documentation shows it: send every task with `delay`, then wait for each result with `get`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Sequence
from contextlib import suppress
from math import inf
from typing import Any, Final

from celery.exceptions import TimeoutError as NoResultError
from celery.result import AsyncResult

from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import CONNECTION_ERRORS
from orchestrator.strategies.celery.outcomes import exception_of, failed
from orchestrator.strategies.celery.strategy import Celery
from orchestrator.strategies.celery.watchdog import CHECK_AFTER_S
from worker.contract import Failure, Hops, Outcome, Payload, Task
from worker.envelope import OversizedMessageError, RejectedMessageError
from worker.execution import describe
from worker.payloads import codec
from worker.payloads.transport import PayloadMissingError
from worker.tasks import IDIOMATIC

REJECTED_S: Final = 0.1  # seconds between two looks at a result that is none
ABANDON_S: Final = 5.0  # seconds to wait for a task that a worker has begun when a batch was stopped


class IdiomaticCelery(Celery):
    """Sends each task by itself, with its payload as base64 in the JSON message, and waits for them in order.

    Everything around the batch is its parent's: the slots, the recovery of workers, the checks. It calls `apply_async`,
    as `delay` does, because only that takes a queue and an id.
    """

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Send the batch and yield the outcomes in the order of the tasks; those of a lost worker are lost."""
        self._stations, self._cleanup.duplicated = None, 0
        self._running = self._send_and_get(tasks)
        return self._running

    def _send_and_get(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        task = self._fleet.app.tasks[IDIOMATIC]
        results: list[AsyncResult] = []
        ended = 0
        try:
            for each in tasks:
                message = {
                    "stage": each.stage,
                    "kernel": each.kernel,
                    "payload": codec.to_base64(each.payload),
                }
                id_ = f"{self._fleet.run_id}-delay-{uuid.uuid4()}"
                results.append(task.apply_async(kwargs=message, queue=self._fleet.queue, task_id=id_))
            for each, result in zip(tasks, results, strict=True):
                outcome = self._get(each, result)
                ended += 1
                yield outcome
        except (*CONNECTION_ERRORS, UnavailableError) as error:
            self._note(f"not every task got a result: {error}")
            yield from failed(tasks[ended:], f"no result: {error}")
        finally:
            with suppress(*CONNECTION_ERRORS):
                self._forget(results, ended)

    def _get(self, task: Task, result: AsyncResult) -> Outcome:
        """Wait for a result; every few seconds without one, see whether the workers still run.

        Raises:
            UnavailableError: a worker was lost, or no result came in time.
        """
        deadline = time.monotonic() + self._fleet.answer_timeout_s
        while time.monotonic() < deadline:
            try:
                value = result.get(timeout=CHECK_AFTER_S, propagate=False)
            except NoResultError:
                self._fleet.check()
                if (disturbance := self._fleet.disturbance()) is not None:
                    raise UnavailableError(disturbance) from None
            except OversizedMessageError as error:
                return Outcome(task.id, failure=describe(error))
            except RejectedMessageError:
                time.sleep(REJECTED_S)  # it is no result of a task's, and one may follow
            else:
                return _outcome(task, value, result)
        raise UnavailableError(f"none within {self._fleet.answer_timeout_s:.0f} s")

    def _forget(self, results: Sequence[AsyncResult], ended: int) -> None:
        """Delete the results; of a batch that was stopped, first withdraw the messages that no worker has begun."""
        if ended < len(results):
            withdrawn = self._fleet.run_queue.purge()
            for result in results[ended:]:
                if result.id not in withdrawn:
                    with suppress(NoResultError, RejectedMessageError):
                        result.get(timeout=ABANDON_S, propagate=False)
        for result in results:
            result.forget()


def _outcome(task: Task, value: Any, result: AsyncResult) -> Outcome:
    if not result.successful():
        return Outcome(task.id, failure=Failure(*exception_of({"result": value})))
    try:
        hops = Hops(_seconds(value["compute_s"]), _seconds(value["compute_cpu_s"]))
        failure = None if value["failure"] is None else Failure(*map(str, value["failure"]))
        output: Payload | None = None if value["output"] is None else codec.from_base64(value["output"])
        slot = str(value["slot"])
    except (PayloadMissingError, KeyError, TypeError, ValueError) as error:
        return Outcome(
            task.id, failure=Failure("ForeignMessageError", f"not a reply of ours: {error!r:.200}")
        )
    return Outcome(task.id, output, failure, hops, slot)


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < inf:
        raise ValueError(f"{seconds} is no time in seconds")
    return seconds
