"""An external fleet: the workers on a broker that somebody else runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet.connections import CONNECTION_ERRORS, REPLY_TIMEOUT_S, connect_app
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.run_queue import reject_eviction
from orchestrator.fleet.workers import compose_scale, in_compose, wait_for_workers
from orchestrator.model.environment import Broker
from worker.access_errors import CLUSTER, READ_ONLY, access_error
from worker.payloads.redis import connect
from worker.redaction import escape_control, mask_credentials
from worker.server_url import is_redis_url
from worker.settings import Settings, SettingsError, read_settings

FIND_S: Final = 10.0  # seconds the first worker may take to answer


def settings_for(broker: str) -> Settings:
    """Return the settings from the environment, with this broker.

    Raises:
        UsageError: that is not the URL of a Redis, or a variable has an invalid value.
    """
    try:
        settings = read_settings(broker_url=broker)
    except SettingsError as error:
        raise UsageError(str(error)) from None
    check_url(settings.broker_url)
    return settings


@contextmanager
def external_fleet(settings: Settings) -> Iterator[Fleet]:
    """Connect to the fleet on `settings.broker_url`.

    Raises:
        UsageError: that is not the URL of a Redis.
        UnavailableError: the broker or the payload store cannot be reached, denies access or would lose tasks, or no
            worker answers.
    """
    broker, payload_store = inspect_broker(settings, embedded=False), inspect_payload_store(settings)
    app = connect_app(settings)
    try:
        with explained_errors(settings):
            found = wait_for_workers(app, FIND_S)
            if not found:
                raise UnavailableError(
                    f"no worker of Breakeven's answered on {mask_credentials(settings.broker_url)} within "
                    f"{FIND_S:.0f} s; {_how_to_start_workers(settings)}"
                )
            fleet = Fleet(app, settings, broker, found, payload_store)
            try:
                yield fleet
            finally:
                fleet.close()
    finally:
        app.close()


def _how_to_start_workers(settings: Settings) -> str:
    """Return how workers are started on this broker, with a command without the password."""
    if in_compose():
        return f"start two: {compose_scale(2)}"
    broker = shlex.quote(mask_credentials(settings.broker_url))
    command = f"BREAKEVEN_BROKER_URL={broker} celery -A worker.app worker --concurrency 1 --hostname w1@%h"
    return f"give --broker embedded to start some for this run, or start one with: {command}"


@contextmanager
def explained_errors(settings: Settings) -> Iterator[None]:
    """Turn an error of Redis that is not explained yet into one that says what to do."""
    servers = f"the broker {mask_credentials(settings.broker_url)}"
    if settings.payload_store_url != settings.broker_url:
        servers += f" or the payload store {mask_credentials(settings.payload_store_url)}"
    try:
        yield
    except (redis.RedisError, *CONNECTION_ERRORS, UnavailableError) as error:
        reason = access_error(error, settings)
        if reason is not None:
            raise UnavailableError(f"{servers} denied access: {reason}") from error
        if isinstance(error, UnavailableError):
            raise
        raise UnavailableError(f"{servers} went away ({error}); see if it still runs") from error


def inspect_broker(settings: Settings, embedded: bool) -> Broker:
    """Check that the broker answers and will not drop tasks, and return what it is.

    Raises:
        UsageError: its URL is not that of a Redis.
        UnavailableError: it cannot be reached, denies access, or evicts keys when memory runs short.
    """
    return _inspect("broker", settings.broker_url, settings, embedded)


def inspect_payload_store(settings: Settings) -> Broker | None:
    """Check the Redis that holds payloads in the same way; return `None` if that is the broker.

    Raises:
        UsageError: its URL is not that of a Redis.
        UnavailableError: it cannot be reached, denies access, or evicts keys when memory runs short.
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
            replication = client.info("replication")
    except (redis.RedisError, OSError) as error:
        raise UnavailableError(_unreachable(what, url, error, settings)) from None
    if "cluster" in (server.get("redis_mode"), server.get("server_mode")):  # the second is Valkey's
        raise UnavailableError(f"the {what} {mask_credentials(url)} cannot be used: {CLUSTER}")
    if replication.get("role") == "slave":
        primary = f"{replication.get('master_host')}:{replication.get('master_port')}"
        raise UnavailableError(
            f"the {what} {mask_credentials(url)} cannot be used: {READ_ONLY}, {escape_control(primary, longest=250)}"
        )
    reject_eviction(what, url, memory)
    name = "valkey" if "valkey_version" in server else "redis"
    version = str(server.get(f"{name}_version", "(unknown version)"))
    return Broker(
        name,
        escape_control(version, longest=100),
        embedded,
        evicts=False if "maxmemory_policy" in memory else None,
    )


def _unreachable(what: str, url: str, error: Exception, settings: Settings) -> str:
    reason = access_error(error, settings, url)
    if reason is not None:
        return f"the {what} {mask_credentials(url)} denied access: {reason}"
    closed = "closed" in str(error) or "reset" in str(error)
    hint = ""
    if closed and url.startswith("redis://"):
        hint = f"write {mask_credentials(url).replace('redis', 'rediss', 1)} if that port speaks TLS, "
    elif (closed or "EOF" in str(error)) and url.startswith("rediss://"):
        hint = "see in its log whether it accepts the certificate, "
    other = (
        "give --broker embedded to start one for this run"
        if what == "broker"
        else "unset BREAKEVEN_PAYLOAD_URL"
    )
    return (
        f"the {what} {mask_credentials(url)} cannot be reached ({error}); {hint}see if it runs and the address is "
        f"right, or {other}"
    )


def check_url(url: str, what: str = "broker") -> None:
    """Raise `UsageError` unless `url` is the URL of a Redis."""
    if not is_redis_url(url):
        raise UsageError(
            f"{what} {mask_credentials(url)!r} is not the URL of a Redis; write redis://host:6379/0"
        )
