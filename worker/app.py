"""The Celery application: `celery -A worker.app worker`, and the orchestrator's side of it.

Every setting has its reason beside it; `docs/decisions/celery.md` has more about them.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any, Final

from celery import Celery
from celery.signals import worker_init, worker_process_init

from worker import celery_patches, functions
from worker.access_errors import find_access_error
from worker.allocator import collect_rarely, keep_freed_memory
from worker.payloads.redis import ANSWER_S
from worker.redaction import escape_control, mask_credentials, redact
from worker.server_url import is_redis_url
from worker.settings import Settings, SettingsError, settings

PREFIX: Final = "breakeven"  # of the name of every queue, task and key of ours
HEALTH_CHECK_S: Final = 10  # seconds between a worker's checks of its connections to the broker
# Variables that a worker sets itself for its slot processes (celery/app/log.py)
OF_CELERY: Final = frozenset(f"CELERY_LOG_{name}" for name in ("LEVEL", "FILE", "REDIRECT", "REDIRECT_LEVEL"))
NOT_PREPARED, INVALID_SETTING, ACCESS_DENIED = 1, 2, 3  # exit codes


def make_app(config: Settings) -> Celery:
    """Return a Celery application for the broker of `config`, set for truth rather than comfort."""
    celery_patches.install()
    app = Celery(
        PREFIX,
        broker=config.broker_url,
        backend=config.broker_url,
        include=["worker.tasks", "worker.remote_control"],
        control="worker.remote_control:Control",
    )
    backend = "worker.celery_patches:Backend"
    app.loader.override_backends = {"redis": backend, "rediss": backend}
    app.conf.update(_delivery(config), **_wire(), **_deadlines(config), **_encryption(config))
    return app


def _delivery(config: Settings) -> dict[str, Any]:
    """One task at a time per slot, acknowledged when done; tasks that kill their slot come to an end."""
    return {
        "task_default_queue": PREFIX,
        "task_acks_late": True,
        # The death of a slot is no reason to lose its task, and a task that always kills its slot must end: retry,
        # which Celery counts, in place of requeue, which it does not.
        "task_reject_on_worker_lost": True,
        "task_retry_on_worker_lost": True,
        # No delay: a retry with one is a message with an ETA, and workers ignore what a sender asks of time.
        "task_annotations": {"*": {"max_retries": 2, "default_retry_delay": 0}},
        "worker_prefetch_multiplier": 1,
        "task_time_limit": config.task_time_limit_s,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_consumer": "worker.celery_patches:Consumer",
    }


def _wire() -> dict[str, Any]:
    """JSON envelopes, msgpack for inline payloads, pickle nowhere."""
    return {
        "accept_content": ["json", "msgpack"],
        "result_accept_content": ["json", "msgpack"],
        "task_serializer": "json",
        # Results carry inline payloads unencoded; a worker's reply has one form for every transport.
        "result_serializer": "msgpack",
        "result_expires": 3600,
        "enable_utc": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def _deadlines(config: Settings) -> dict[str, Any]:
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
            # as long. Longer than a server may be stopped for a moment: what it sends to a dropped BRPOP is lost.
            "health_check_interval": HEALTH_CHECK_S,
        },
        # A result that cannot be stored would fail a task that was done: try again on a new connection.
        "result_backend_transport_options": {"retry_policy": {"timeout": 2 * ANSWER_S}},
        "result_backend_always_retry": True,
        "result_backend_max_retries": 2,
        "redis_socket_timeout": timeouts["socket_timeout"],
        "redis_socket_connect_timeout": timeouts["socket_connect_timeout"],
        "redis_socket_keepalive": bool(keepalive),
        "redis_retry_on_timeout": False,  # True would silently switch off kombu's pipelined publishing
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": math.ceil(config.connect_timeout_s * 2),
        "broker_connection_timeout": config.connect_timeout_s,
        # Every strategy of a run keeps a connection; with Celery's limit of ten the eleventh would wait forever.
        "broker_pool_limit": 1000,
        "task_publish_retry_policy": {
            "max_retries": 3,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 1,
        },
    }


def _encryption(config: Settings) -> dict[str, Any]:
    """Certificate options for `rediss://`, without which kombu verifies nothing."""
    if not config.broker_url.startswith("rediss://"):
        return {}
    return {"broker_use_ssl": config.tls, "redis_backend_use_ssl": config.tls}


def _configured_app() -> Celery:
    try:
        return make_app(settings())
    except SettingsError as error:
        raise _exit(str(error), INVALID_SETTING) from None


def _exit(message: str, code: int) -> SystemExit:
    """End this process with one line in place of a traceback."""
    sys.stderr.write(f"breakeven: {message}\n")
    return SystemExit(code)


app = _configured_app()


@worker_init.connect
def _prepare_worker(**_: Any) -> None:
    """Prepare this worker, or end it: Celery only logs what a receiver raises, and would serve as it is."""
    try:
        _check_and_tune()
    except Exception as error:
        text = escape_control(redact(f"{type(error).__name__}: {error}"))
        raise _exit(f"this worker cannot be prepared, so it does not serve ({text})", NOT_PREPARED) from error


def _check_and_tune() -> None:
    """Check access and set what every slot inherits, before the pool forks."""
    if others := sorted(name for name in os.environ if name.startswith("CELERY_") and name not in OF_CELERY):
        raise _exit(
            f"{', '.join(others)} would change this worker (BROKER_URL, LOADER and such, and options before 'worker', "
            "set some of them); unset them, or start it with 'python -m worker', which leaves them out",
            INVALID_SETTING,
        )
    for name, url in (("BROKER_URL", settings().broker_url), ("PAYLOAD_URL", settings().payload_store_url)):
        if not is_redis_url(url):
            raise _exit(
                f"BREAKEVEN_{name}={mask_credentials(url)} is not the URL of a Redis; write redis://host:6379/0",
                INVALID_SETTING,
            )
    reason = find_access_error(settings())
    if reason is not None:
        raise _exit(reason, ACCESS_DENIED)
    if settings().functions:
        try:
            functions.enter_folder()
        except OSError as error:
            raise _exit(
                "functions run in the first folder of BREAKEVEN_FUNCTION_PATH, "
                f"{escape_control(error.filename or '.')}, which cannot be entered ({error.strerror}); "
                "name a folder that exists",
                INVALID_SETTING,
            ) from None
        functions.descriptions()
        app.set_current()  # a module of the user's may have made an application of its own
    # Celery's own tasks, such as celery.map and celery.chord, call any other task with any arguments.
    for name in [name for name in app.tasks if not name.startswith(f"{PREFIX}.")]:
        app.tasks.unregister(name)
    keep_freed_memory()
    collect_rarely()


@worker_process_init.connect
def _silence_functions(**_: Any) -> None:
    """Drop what a user's functions print, which would fill the worker's log."""
    if settings().functions:
        functions.drop_output()
