"""What somebody who reaches the broker can write there: task messages, control messages and results, by hand."""

from __future__ import annotations

import base64
import itertools
import json
import uuid
from pathlib import Path
from typing import Any

import msgpack
import psutil

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import worker_name
from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.celery import Celery
from tests.waiting import until
from worker.contract import Task
from worker.messages import VERSION, TaskMessage

CONTROL_CHANNEL = "/0.celery.pidbox"
NO_EMBED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

_numbers = itertools.count()


def task_id(fleet: Fleet) -> str:
    return f"{fleet.run_id}-peer-{next(_numbers)}"


def task_body(id_: str, kernel: str = "noop", payload: str = "x", embed: dict[str, Any] | None = None) -> Any:
    message = TaskMessage(VERSION, id_, kernel, "inline", [(1, {"url": payload})])
    return [[], message.as_message(), NO_EMBED if embed is None else embed]


def envelope(
    fleet: Fleet,
    id_: Any,
    body: Any,
    headers: dict[str, Any] | None = None,
    task: str = "breakeven.diagnostics",
) -> bytes:
    """Return a message as kombu stores it; `body` is encoded unless it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return json.dumps(
        {
            "body": base64.b64encode(content).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": task,
                "id": id_,
                "retries": 0,
                "origin": "peer",
                **(headers or {}),
            },
            "properties": {
                "correlation_id": "1",
                "delivery_mode": 2,
                "delivery_info": {"exchange": fleet.run_id, "routing_key": fleet.run_id},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    ).encode()


def altered(message: bytes, fields: dict[str, Any]) -> bytes:
    """Return the message with other parts."""
    return json.dumps({**json.loads(message), **fields}).encode()


def send(fleet: Fleet, *messages: bytes) -> None:
    """Queue messages for the workers of the run."""
    with fleet.client() as client:
        client.lpush(fleet.run_id, *messages)


def control_message(body: Any, headers: dict[str, Any] | None = None) -> bytes:
    """Return a remote-control message as kombu publishes it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return json.dumps(
        {
            "body": base64.b64encode(content).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"clock": 1, "expires": 0, **(headers or {})},
            "properties": {
                "delivery_mode": 1,
                "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    ).encode()


def broadcast(fleet: Fleet, *messages: bytes) -> None:
    """Publish control messages to all workers."""
    with fleet.client() as client:
        for message in messages:
            assert client.publish(CONTROL_CHANNEL, message) > 0


def result_of(fleet: Fleet, id_: str, within_s: float = 30.0) -> dict[str, Any]:
    """Wait for a task's stored result."""
    with fleet.client() as client:
        until(lambda: client.exists(f"celery-task-meta-{id_}"), f"a result of {id_}", within_s)
        found: dict[str, Any] = msgpack.unpackb(client.get(f"celery-task-meta-{id_}"))
        return found


class Workers:
    """The workers of a fleet, watched from outside: whether the same processes still serve, and what they log."""

    def __init__(self, fleet: Fleet, processes: ChildProcesses) -> None:
        self.fleet, self._processes = fleet, processes
        self._pids = self._alive()

    def _alive(self) -> dict[str, int]:
        self._processes.poll()
        return {name: pid for name, pid in self._processes.pids.items() if name.startswith("worker")}

    def assert_serving(self) -> None:
        """Assert that the processes of before still run, hold no message, and do a batch on every slot."""
        assert self._alive() == self._pids, self.log()
        slots = len(self._pids)
        with Celery(slots, self.fleet, "inline", 1, "local") as strategy:
            seen: set[str | None] = set()

            def every_slot_answers() -> bool:
                tasks = [Task(number, "diagnostics", "sleep", "0.02") for number in range(6 * slots)]
                outcomes = list(strategy.run(tasks))
                assert [outcome.status for outcome in outcomes] == ["ok"] * len(tasks)
                seen.update(outcome.slot for outcome in outcomes)
                return len(seen) == slots

            until(every_slot_answers, "every slot answers")  # one may still be reading a large message
        assert self._alive() == self._pids, self.log()
        with self.fleet.client() as client:
            until(lambda: not client.llen(self.fleet.run_id), "the queue is empty")
            until(lambda: not client.exists("unacked"), "every message is settled")

    def rejected(self) -> dict[str, int]:
        """Return how many messages each worker says that it rejected."""
        replies = self.fleet.app.control.broadcast(
            "breakeven_present", reply=True, timeout=10, limit=len(self._pids)
        )
        return {name: answer["rejected"] for reply in replies for name, answer in reply.items()}

    def peak_bytes(self) -> int:
        """Return the most memory that a worker or a slot of it has had resident, in bytes."""
        peaks = []
        for pid in self._pids.values():
            for process in (parent := psutil.Process(pid), *parent.children(recursive=True)):
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
                peaks += [int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM")]
        return max(peaks)

    def log(self) -> str:
        """Return what the workers have logged."""
        return "\n".join(self._processes.log(name, lines=10_000) for name in self._pids)

    @property
    def names(self) -> list[str]:
        return [worker_name(child) for child in self._pids]
