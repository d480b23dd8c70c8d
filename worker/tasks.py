"""One Celery task a stage, named `breakeven.<stage>`: fetch each payload, execute, store the output."""

from __future__ import annotations

import os
import socket
import threading
import time
from functools import cache
from typing import Any

import redis
from celery import shared_task

from worker.app import PREFIX
from worker.contract import Failure, Payload, Task
from worker.execution import describe, execute
from worker.messages import STORE_FAILED, TaskMessage, TaskReply, TaskResult
from worker.payloads import TRANSPORTS, codec
from worker.payloads.transport import PayloadMissingError, Reference, Transport
from worker.settings import settings
from worker.stages import DIAGNOSTICS, STAGES, as_payload


def task_name(stage: str) -> str:
    """Return the name of the stage's Celery task, as Flower shows it."""
    return f"{PREFIX}.{stage}"


def run_chunk(stage: str, worker: str, message: dict[str, Any], repeated: bool = False) -> dict[str, Any]:
    """Do the chunk of tasks in a message; return a `TaskReply` as plain values."""
    chunk = TaskMessage.from_message(message)
    transport = _transport(chunk.transport)
    results = [_run_task(stage, chunk, transport, task_id, reference) for task_id, reference in chunk.tasks]
    return TaskReply(worker, slot_name(), results, repeated).as_result()


def slot_name() -> str:
    """Return the name of the slot that runs this: its process, and the thread in a pool of threads."""
    process = f"{socket.gethostname()}:{os.getpid()}"
    thread = threading.current_thread()
    return process if thread is threading.main_thread() else f"{process}:{thread.name}"


def _run_task(
    stage: str, chunk: TaskMessage, transport: Transport, task_id: int, reference: Reference
) -> TaskResult:
    clock = time.monotonic
    started = clock()
    payload, failure = _fetch(transport, reference)
    fetched = clock()
    stored: Reference | None = None
    compute_s = cpu_s = store_s = 0.0
    if failure is None:
        outcome = execute(Task(task_id, stage, chunk.kernel, payload))
        failure = outcome.failure
        if outcome.hops is not None:
            compute_s, cpu_s = outcome.hops.compute_s, outcome.hops.compute_cpu_s
        computed = clock()
        if outcome.failure is None:
            stored, failure = _store(transport, f"{chunk.key}:out:{task_id}", stage, outcome.output)
        store_s = clock() - computed
    return TaskResult(
        task_id, stored, failure, started, fetched - started, compute_s, cpu_s, store_s, clock()
    )


def _fetch(transport: Transport, reference: Reference) -> tuple[Any, Failure | None]:
    try:
        return transport.get(reference), None
    except (redis.RedisError, OSError, PayloadMissingError) as error:
        return None, _store_failed("fetched", error)
    except Exception as error:  # noqa: BLE001 - a payload that cannot be fetched is that task's failure
        return None, describe(error)


def _store(
    transport: Transport, key: str, stage: str, output: Payload | None
) -> tuple[Reference | None, Failure | None]:
    try:
        payload = as_payload(stage, output)
        return None if payload is None else transport.put(key, payload), None
    except (redis.RedisError, OSError) as error:
        return None, _store_failed("stored", error)
    except Exception as error:  # noqa: BLE001 - an output that cannot be stored is that task's failure
        return None, describe(error)


def _store_failed(how: str, error: Exception) -> Failure:
    return Failure(STORE_FAILED, f"a payload could not be {how}: {error}")


@cache
def _transport(name: str) -> Transport:
    """This process's transport, made by its first task: connections must not be shared across a fork."""
    return TRANSPORTS[name].from_settings(settings())


def _task_for(stage: str) -> Any:
    @shared_task(bind=True, name=task_name(stage), typing=False)
    def task(self: Any, **message: Any) -> dict[str, Any]:
        request = self.request
        repeated = bool(request.retries or (request.delivery_info or {}).get("redelivered"))
        return run_chunk(stage, str(request.hostname), message, repeated)

    return task


IDIOMATIC = task_name("idiomatic")


@shared_task(name=IDIOMATIC, typing=False)
def idiomatic(stage: str, kernel: str, payload: Reference) -> dict[str, Any]:
    """Do one task as Celery's documentation would: its payload is base64 in the message, its output in the result."""
    outcome = execute(Task(0, stage, kernel, codec.from_base64(payload)), slot_name())
    failure, hops = outcome.failure, outcome.hops
    return {
        "output": None if outcome.output is None else codec.to_base64(outcome.output),
        "failure": failure and [failure.type, failure.message],
        "slot": outcome.slot,
        "compute_s": hops and hops.compute_s,
        "compute_cpu_s": hops and hops.compute_cpu_s,
    }


TASKS = {stage: _task_for(stage) for stage in (*STAGES, *DIAGNOSTICS)}
