"""One Celery task a stage, each a thin face on `execute`; named `breakeven.<stage>`."""

from __future__ import annotations

import os
import socket
import time
from functools import cache
from typing import Any

import redis
from celery import shared_task

from worker.app import PREFIX
from worker.contract import Failure, Payload, Task
from worker.execution import describe, execute
from worker.messages import STORE_FAILED, TaskMessage, TaskReply, TaskResult
from worker.payloads import TRANSPORTS
from worker.payloads.transport import PayloadMissingError, Reference, Transport
from worker.settings import settings
from worker.stages import DIAGNOSTICS, STAGES


def task_name(stage: str) -> str:
    """The name of the stage's Celery task, as Flower shows it."""
    return f"{PREFIX}.{stage}"


def serve(stage: str, worker: str, message: dict[str, Any], repeated: bool = False) -> dict[str, Any]:
    """Do the chunk of tasks that a message orders: fetch, execute and store each, and say how long it took."""
    order = TaskMessage.from_message(message)
    transport = _transport(order.transport)
    slot = f"{socket.gethostname()}:{os.getpid()}"
    entries = [_serve_one(stage, order, transport, task_id, reference) for task_id, reference in order.tasks]
    return TaskReply(worker, slot, entries, repeated).as_result()


def _serve_one(
    stage: str, order: TaskMessage, transport: Transport, task_id: int, reference: Reference
) -> TaskResult:
    clock = time.monotonic
    started = clock()
    payload, failure = _fetch(transport, reference)
    fetched = clock()
    stored: Reference | None = None
    compute_s = cpu_s = store_s = 0.0
    if payload is not None:
        outcome = execute(Task(task_id, stage, order.kernel, payload))
        failure = outcome.failure
        if outcome.hops is not None:
            compute_s, cpu_s = outcome.hops.compute_s, outcome.hops.compute_cpu_s
        computed = clock()
        if outcome.output is not None:
            stored, failure = _store(transport, f"{order.key}:out:{task_id}", outcome.output)
        store_s = clock() - computed
    return TaskResult(
        task_id, stored, failure, started, fetched - started, compute_s, cpu_s, store_s, clock()
    )


def _fetch(transport: Transport, reference: Reference) -> tuple[Payload | None, Failure | None]:
    try:
        return transport.get(reference), None
    except (redis.RedisError, OSError, PayloadMissingError) as error:
        return None, _store_failed("fetched", error)
    except Exception as error:  # noqa: BLE001 - a payload that cannot be had is that task's failure, kept as data
        return None, describe(error)


def _store(transport: Transport, key: str, output: Payload) -> tuple[Reference | None, Failure | None]:
    try:
        return transport.put(key, output), None
    except (redis.RedisError, OSError) as error:
        return None, _store_failed("stored", error)
    except Exception as error:  # noqa: BLE001 - an output that cannot be stored is that task's failure
        return None, describe(error)


def _store_failed(how: str, error: Exception) -> Failure:
    """The failure of a task that could do nothing about it: the store is full, or cannot be reached."""
    return Failure(STORE_FAILED, f"a payload could not be {how}: {error}")


@cache
def _transport(name: str) -> Transport:
    """One transport of each kind a process; made by the first task that needs it, after the pool has forked."""
    return TRANSPORTS[name].from_settings(settings())


def _task_for(stage: str) -> Any:
    @shared_task(bind=True, name=task_name(stage), typing=False)
    def face(self: Any, **message: Any) -> dict[str, Any]:
        request = self.request
        repeated = bool(request.retries or (request.delivery_info or {}).get("redelivered"))
        return serve(stage, str(request.hostname), message, repeated)

    return face


TASKS = {stage: _task_for(stage) for stage in (*STAGES, *DIAGNOSTICS)}
