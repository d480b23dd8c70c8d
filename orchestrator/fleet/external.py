"""An external fleet: whatever workers listen on a broker that somebody else runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis
from kombu.exceptions import OperationalError

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet import roll_call
from orchestrator.fleet.connections import REPLY_TIMEOUT_S
from orchestrator.fleet.fleet import Fleet
from orchestrator.model.environment import Broker
from worker.access_errors import access_error
from worker.app import make_app
from worker.payloads.redis import connect
from worker.redaction import escape_control, mask_credentials
from worker.settings import Settings, SettingsError, read_settings

FIND_S = 10.0
SCHEMES = ("redis", "rediss", "redis+socket")

SAFE_POLICY = "noeviction"
"""The one maxmemory-policy that fails a command when memory is short, instead of forgetting keys."""

HELD = {"broker": "queued tasks", "payload store": "payloads"}


def settings_for(broker: str) -> Settings:
    """The settings from the environment, with the broker that was asked for.

    Raises:
        UsageError: that is no URL of a Redis, or a variable has a value that makes no sense.
    """
    check_url(broker)
    try:
        return read_settings(broker_url=broker)
    except SettingsError as error:
        raise UsageError(str(error)) from None


@contextmanager
def external_fleet(settings: Settings) -> Iterator[Fleet]:
    """The fleet on `settings.broker_url`; what the servers refuse while it is used is told as such.

    Raises:
        UsageError: that is no URL of a Redis.
        UnavailableError: the broker or the payload store cannot be reached, does not let us do our work or
            would lose tasks, or no worker answers.
    """
    broker, payload_store = inspect_broker(settings, embedded=False), inspect_payload_store(settings)
    app = make_app(settings)
    try:
        with explained_errors(settings):
            workers = roll_call.wait_for_workers(app, FIND_S)
            if not workers:
                raise UnavailableError(
                    f"no Celery worker answered on {mask_credentials(settings.broker_url)} within {FIND_S:.0f} s; "
                    "give --broker embedded to use some of our own, or start one with 'docker compose up worker' "
                    f"or with: {_worker_command(settings)}"
                )
            fleet = Fleet(app, settings, broker, workers, payload_store)
            try:
                yield fleet
            finally:
                fleet.close()
    finally:
        app.close()


def _worker_command(settings: Settings) -> str:
    """The line that starts a worker on this broker, its password left out."""
    broker = shlex.quote(mask_credentials(settings.broker_url))
    return f"BREAKEVEN_BROKER_URL={broker} celery -A worker.app worker --concurrency 1 --hostname w1@%h"


@contextmanager
def explained_errors(settings: Settings) -> Iterator[None]:
    """Turns an error of Redis that nobody below has explained into one that says what to do."""
    servers = f"the broker {mask_credentials(settings.broker_url)}"
    if settings.payload_store_url != settings.broker_url:
        servers += f" or the payload store {mask_credentials(settings.payload_store_url)}"
    try:
        yield
    except (redis.RedisError, OperationalError, UnavailableError) as error:
        reason = access_error(error, settings)
        if reason is not None:
            raise UnavailableError(f"{servers} denied access: {reason}") from error
        if isinstance(error, UnavailableError):
            raise
        raise UnavailableError(f"{servers} went away ({error}); see if it still runs") from error


def inspect_broker(settings: Settings, embedded: bool) -> Broker:
    """What the broker is, after proof that it answers and will not drop tasks.

    Raises:
        UsageError: its URL is not that of a Redis.
        UnavailableError: it cannot be reached, refuses us, or evicts keys when memory runs short.
    """
    return _inspect("broker", settings.broker_url, settings, embedded)


def inspect_payload_store(settings: Settings) -> Broker | None:
    """The same of the Redis that holds payloads; `None` where that is the broker.

    Raises:
        UsageError: its URL is not that of a Redis.
        UnavailableError: it cannot be reached, refuses us, or evicts keys when memory runs short.
    """
    if settings.payload_store_url == settings.broker_url:
        return None
    return _inspect("payload store", settings.payload_store_url, settings, embedded=False)


def _inspect(what: str, url: str, settings: Settings, embedded: bool) -> Broker:
    check_url(url, what)
    try:
        with connect(url, timeout_s=REPLY_TIMEOUT_S, tls=settings.tls) as client:
            client.ping()
            server, memory = client.info("server"), client.info("memory")
    except (redis.RedisError, OSError) as error:
        raise UnavailableError(_unreachable(what, url, error, settings)) from None
    policy = memory.get("maxmemory_policy")
    if policy not in (SAFE_POLICY, None):
        raise UnavailableError(
            f"the {what} {mask_credentials(url)} has maxmemory-policy {policy}, which drops {HELD[what]} without a "
            f"word; set it with 'CONFIG SET maxmemory-policy {SAFE_POLICY}'"
        )
    name = "valkey" if "valkey_version" in server else "redis"
    version = str(server.get(f"{name}_version", "of unknown version"))
    return Broker(
        name, escape_control(version, longest=100), embedded, evicts=None if policy is None else False
    )


def _unreachable(what: str, url: str, error: Exception, settings: Settings) -> str:
    reason = access_error(error, settings)
    if reason is not None:
        return f"the {what} {mask_credentials(url)} denied access: {reason}"
    closed = "closed" in str(error) or "reset" in str(error)
    hint = ""
    if closed and url.startswith("redis://"):
        hint = "write rediss:// if it speaks TLS there, "
    elif (closed or "EOF" in str(error)) and url.startswith("rediss://"):
        hint = "see in its log whether it accepts our certificate, "
    other = (
        "give --broker embedded to use one of our own" if what == "broker" else "unset BREAKEVEN_PAYLOAD_URL"
    )
    return (
        f"the {what} {mask_credentials(url)} cannot be reached ({error}); {hint}see if it runs and the address is "
        f"right, or {other}"
    )


def check_url(url: str, what: str = "broker") -> None:
    """Raise `UsageError` unless `url` is that of a Redis."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in SCHEMES and bool(parts.hostname or parts.path) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"{what} {mask_credentials(url)!r} is no URL of a Redis; write redis://host:6379/0")
