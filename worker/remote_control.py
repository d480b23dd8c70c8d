"""What a worker obeys and answers over Celery's remote control, and what it reads of its machine for that."""

from __future__ import annotations

import os
import platform
import secrets
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Final

import redis
from celery.app.control import Control as CeleryControl
from celery.worker.control import control_command, inspect_command
from celery.worker.state import active_requests, reserved_requests
from kombu import pidbox
from pydantic import Field, TypeAdapter

from worker import functions
from worker.access_errors import access_error
from worker.celery_patches import rejections
from worker.cgroup import cpu_quota, throttled_s
from worker.envelope import ConsumerArguments, ControlMessage, RejectedMessageError, validate
from worker.messages import VERSION
from worker.payloads.redis import connect
from worker.redaction import escape_control
from worker.settings import settings

# Commands that every worker obeys: ours, those that a run is served with, and those that Flower shows workers with.
# None of them ends a worker, changes its pool or its limits, or returns what a message contains.
COMMANDS: Final = frozenset(
    {
        "breakeven_clock",
        "breakeven_describe",
        "breakeven_events",
        "breakeven_payload",
        "breakeven_present",
        "add_consumer",
        "cancel_consumer",
        "active_queues",
        "ping",
        "active",
        "conf",
        "disable_events",
        "enable_events",
        "registered",
        "reserved",
        "revoked",
        "scheduled",
        "stats",
    }
)
POOLS: Final = {
    "celery.concurrency.prefork": "prefork",
    "celery.concurrency.solo": "solo",
    "celery.concurrency.thread": "threads",
}  # by the module of their class: the name that --pool takes
# Which process answers: workers in containers can share a name, a host name and a process id (1).
IDENTITY: Final = secrets.token_hex(8)
QUEUE_COMMANDS: Final = ("add_consumer", "cancel_consumer")

Run: Final[TypeAdapter[str]] = TypeAdapter(Annotated[str, Field(pattern=r"\Abreakeven-[0-9a-f]{12}\z")])


class ControlNode(pidbox.Node):  # type: ignore[misc]  # kombu publishes no types
    """Obeys valid messages with an allowed command, and rejects the others.

    kombu obeys every registered command, `shutdown` among them, matches the worker's name against any regular
    expression, and publishes the reply to any exchange that the sender names.
    """

    def handle_message(self, body: Any, message: Any = None) -> Any:
        """Run the command in a control message if it is for this worker."""
        try:
            command = validate(ControlMessage, body, "a control message")
        except RejectedMessageError as error:
            rejections.add(error)
            return None
        if command.destination is not None and self.hostname not in command.destination:
            return None
        reply_to = None if command.reply_to is None else command.reply_to.model_dump()
        return self.dispatch(command.method, command.arguments, reply_to, command.ticket)

    def handle(self, method: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a command if it is allowed.

        Raises:
            RejectedMessageError: it is not, or its arguments are not valid.
        """
        if method not in COMMANDS | settings().control or method not in self.handlers:
            return self._reject(
                f"the command {method} is not allowed; its operator can allow it with BREAKEVEN_CONTROL={method}"
            )
        try:
            if method in QUEUE_COMMANDS:
                validate(ConsumerArguments, arguments, f"arguments of {method}")
            return super().handle(method, arguments)
        except Exception as error:  # noqa: BLE001 - the sender chose the arguments, and so what the error quotes
            return self._reject(f"{method} failed: {error!r}")

    def _reject(self, reason: str) -> dict[str, str]:
        rejections.add(RejectedMessageError(reason))
        return {"error": escape_control(reason, longest=300)}


class ControlMailbox(pidbox.Mailbox):  # type: ignore[misc]
    """Makes `ControlNode`s, sends each command once, and keeps no replies that came too late."""

    node_cls = ControlNode

    def _publish(self, *arguments: Any, channel: Any = None, producer: Any = None, **options: Any) -> None:
        """Send a command; if the broker is gone, raise at once: kombu would try again for as long as it is."""

        def publish_once(*body: Any, **properties: Any) -> None:
            acquired.publish(*body, **{**properties, "retry": False})

        with self.producer_or_acquire(producer, channel) as acquired:
            once = SimpleNamespace(publish=publish_once)
            super()._publish(*arguments, channel=channel, producer=once, **options)

    def _collect(self, *arguments: Any, **options: Any) -> Any:
        self.unclaimed.clear()  # kombu keeps every reply with a ticket of somebody else's, for good
        return super()._collect(*arguments, **options)


class Control(CeleryControl):  # type: ignore[misc]
    """Celery's remote control with `ControlMailbox`."""

    Mailbox = ControlMailbox


def usable_cpus() -> int:
    """Return the processors that this process may use, rounded, at least 1; see `cpu_share`."""
    return max(1, round(cpu_share()))


def cpu_share() -> float:
    """Return the processors that this process may use, such as 0.25 under a container's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = cpu_quota()
    return float(affinity if quota is None else min(affinity, quota))


def clock_identity() -> str | None:
    """Return the identity of this machine's monotonic clock; equal identities mean the same clock.

    Linux counts CLOCK_MONOTONIC from boot, for all containers alike unless a time namespace shifts it
    (`man 7 time_namespaces`). `None` where the system does not tell.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    try:
        shift = " ".join(Path("/proc/self/timens_offsets").read_text(encoding="ascii").split())
    except OSError:
        shift = ""
    return f"{boot} {shift}".strip()


@inspect_command(name="breakeven_describe")
def describe(state: Any, **_: Any) -> dict[str, Any]:
    """Describe this worker: message format, queues, slots and their pool, processors, Python, functions."""
    controller = state.consumer.controller
    return {
        "version": VERSION,
        "queues": [queue.name for queue in state.consumer.task_consumer.queues],
        "pool": POOLS.get(module := controller.pool_cls.__module__, module),
        "autoscale": bool(controller.autoscale),
        "max_tasks_per_child": controller.max_tasks_per_child,
        "max_memory_per_child": controller.max_memory_per_child,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "identity": IDENTITY,
        "slots": state.consumer.pool.num_processes,
        "usable_cpus": cpu_share(),
        "throttled_s": throttled_s(),
        "python": platform.python_version(),
        "clock": clock_identity(),
        "payload_dir": settings().payload_dir,
        "events": _sends_task_events(state),
        "functions": [dict(each) for each in functions.descriptions()],
    }


@inspect_command(name="breakeven_clock")
def clock(state: Any, **_: Any) -> dict[str, float]:
    """Return this machine's monotonic time in seconds: the clock of every time this worker reports."""
    return {"monotonic_s": time.monotonic()}


@inspect_command(name="breakeven_present")
def present(state: Any, **_: Any) -> dict[str, Any]:
    """Return this worker's process, its slots' processes, and the tasks that it has not finished.

    Celery checks a slot process when the pipe to it closes, a moment before the process ends. If the process still runs
    at that moment, Celery notices its end up to five seconds later; `maintain_pool` replaces it now.
    """
    pool = state.consumer.pool
    pool.maintain_pool()
    return {
        "pid": os.getpid(),
        "identity": IDENTITY,
        "slots": pool.info.get("processes", []),
        "tasks": [request.id for request in state.tset(reserved_requests)],
        "rejected": rejections.count,
    }


@inspect_command(name="breakeven_payload", args=[("run", str)])
def payload(state: Any, run: str) -> dict[str, str | bool | None]:
    """Return whether this worker's payload store has the probe of `run`, or why it cannot be asked."""
    config = settings()
    key = probe_key(validate(Run, run, "a run's id"))
    try:
        with connect(config.payload_store_url, timeout_s=5.0, tls=config.tls) as client:
            return {"found": bool(client.exists(key)), "error": None}
    except (redis.RedisError, OSError) as error:
        return {"found": False, "error": access_error(error, config) or str(error)}


def probe_key(run: str) -> str:
    """Return the key under which a run's orchestrator stores the payload that workers look for."""
    return f"{run}:reach"


@inspect_command(name="active")
def active(state: Any, **_: Any) -> list[dict[str, Any]]:
    """Return the tasks in progress, as Flower shows them; Celery's own would return their payloads."""
    return [request.info(safe=True) for request in state.tset(active_requests)]


@inspect_command(name="reserved")
def reserved(state: Any, **_: Any) -> list[dict[str, Any]]:
    """Return the tasks that were fetched and not started, without their payloads."""
    waiting = state.tset(reserved_requests) - state.tset(active_requests)
    return [request.info(safe=True) for request in waiting]


@control_command(name="breakeven_events", args=[("on", bool)])
def events(state: Any, on: bool, **_: Any) -> dict[str, bool]:
    """Switch task events on or off; return whether this worker sends them now.

    Celery's own `disable_events` has no effect on a worker that was started with `--task-events`. A worker that was
    started with neither those nor heartbeats has no connection for events, and continues to send none.
    """
    dispatcher = state.consumer.event_dispatcher
    if dispatcher is not None:
        dispatcher.groups = set() if on else WithoutTasks({"worker"})
    return {"events": _sends_task_events(state)}


class WithoutTasks(set[str]):
    """The groups of events that a worker sends, to which Flower cannot add tasks, as it tries every 5 s."""

    def add(self, group: str) -> None:
        """Ignore the group."""


def _sends_task_events(state: Any) -> bool:
    dispatcher = state.consumer.event_dispatcher
    if dispatcher is None or not dispatcher.enabled:
        return False
    return not dispatcher.groups or "task" in dispatcher.groups  # no group stands for every group
