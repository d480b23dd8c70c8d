"""The Celery application: `celery -A worker.app worker`, and the orchestrator's own side of it.

Every setting below has its reason beside it; `docs/decisions/celery.md` tells what was measured.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from celery import Celery
from celery.signals import worker_init

from worker import celery_patches
from worker.allocator import collect_rarely, keep_freed_memory
from worker.payloads.redis import ANSWER_S
from worker.readiness import refused
from worker.settings import Settings, SettingsError, settings

PREFIX = "breakeven"
"""Begins the name of every queue, task and key of ours."""

HEALTH_CHECK_S = 10
"""How often a worker looks whether its lines to the broker still pass anything."""

WRONG_SETTING, TURNED_AWAY = 2, 3
"""Exit codes: a setting makes no sense; a server that is needed does not let us in."""


def make_app(config: Settings) -> Celery:
    """A Celery application for the broker of `config`, set for truth rather than for comfort."""
    app = Celery(
        PREFIX,
        broker=config.broker_url,
        backend=config.broker_url,
        include=["worker.tasks", "worker.remote_control"],
    )
    app.loader.override_backends = dict.fromkeys(("redis", "rediss"), "worker.backend:TellingBackend")
    app.conf.update(_delivery(config), **_wire(), **_patience(config), **_encryption(config))
    return app


def _delivery(config: Settings) -> dict[str, Any]:
    """One task at a time a slot, acknowledged after it is done, and an end for those that kill their slot."""
    return {
        "task_default_queue": PREFIX,
        "task_acks_late": True,
        # A slot that dies is no reason to lose its task, and a task that always kills its slot must end:
        # with a retry that is counted, instead of a requeue that is not.
        "task_reject_on_worker_lost": True,
        "task_retry_on_worker_lost": True,
        "task_annotations": {"*": {"max_retries": 2, "default_retry_delay": 0.1}},
        "worker_prefetch_multiplier": 1,
        "task_time_limit": config.task_time_limit_s,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
    }


def _wire() -> dict[str, Any]:
    """What crosses the network: JSON envelopes, msgpack for what travels inline, pickle nowhere."""
    return {
        "accept_content": ["json", "msgpack"],
        "result_accept_content": ["json", "msgpack"],
        "task_serializer": "json",
        # Results carry inline payloads as they are; a worker's answer has one form for every transport.
        "result_serializer": "msgpack",
        "result_expires": 3600,
        "enable_utc": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def _patience(config: Settings) -> dict[str, Any]:
    """No wait without a deadline; a dead worker's task comes back within the visibility timeout."""
    timeouts = {"socket_timeout": ANSWER_S, "socket_connect_timeout": 5.0}
    # A unix socket has no keep-alive, and redis-py refuses the option there.
    keepalive = {} if config.broker_url.startswith("redis+socket") else {"socket_keepalive": True}
    return {
        "broker_transport_options": {
            **timeouts,
            **keepalive,
            "visibility_timeout": max(config.visibility_timeout_s, config.task_time_limit_s + 5),
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            # kombu drops a BRPOP that is unanswered for a second more than this, and a subscription after three times
            # as long. Well above a moment in which the server is stopped: what it gives to a dropped BRPOP is gone.
            "health_check_interval": HEALTH_CHECK_S,
        },
        # A result that could not be stored makes a failure of a task that was done: say it again on a new connection.
        "result_backend_transport_options": {"retry_policy": {"timeout": 2 * ANSWER_S}},
        "result_backend_always_retry": True,
        "result_backend_max_retries": 2,
        "redis_socket_timeout": timeouts["socket_timeout"],
        "redis_socket_connect_timeout": timeouts["socket_connect_timeout"],
        "redis_socket_keepalive": bool(keepalive),
        "redis_retry_on_timeout": False,  # it would switch kombu's pipelined publishing off without a word
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": math.ceil(config.connect_timeout_s * 2),
        "broker_connection_timeout": config.connect_timeout_s,
        # Every strategy of a run keeps one; with Celery's ten the eleventh would be waited for without end.
        "broker_pool_limit": 1000,
        "task_publish_retry_policy": {
            "max_retries": 3,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 1,
        },
    }


def _encryption(config: Settings) -> dict[str, Any]:
    """Certificates for `rediss://`: kombu verifies none unless it is told to."""
    if not config.broker_url.startswith("rediss://"):
        return {}
    return {"broker_use_ssl": config.tls, "redis_backend_use_ssl": config.tls}


def _configured_app() -> Celery:
    """The application of this process's environment; where that makes no sense, it says so and ends."""
    try:
        return make_app(settings())
    except SettingsError as error:
        raise _end(str(error), WRONG_SETTING) from None


def _end(message: str, code: int) -> SystemExit:
    """What ends this process with a line instead of a traceback."""
    sys.stderr.write(f"breakeven: {message}\n")
    return SystemExit(code)


app = _configured_app()


@worker_init.connect
def _prepare_worker(**_: Any) -> None:
    """Before the pool forks: see that the servers will have us, and set what every slot inherits."""
    reason = refused(settings())
    if reason is not None:
        raise _end(reason, TURNED_AWAY)
    celery_patches.install()
    keep_freed_memory()
    collect_rarely()
