"""An external fleet: whatever workers listen on a broker that somebody else runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet import roster
from orchestrator.fleet.fleet import Fleet
from orchestrator.model import Broker
from worker.app import make_app
from worker.payloads.redis import connect
from worker.settings import Settings

FIND_S = 10.0
SCHEMES = ("redis", "rediss", "redis+socket")


@contextmanager
def external_fleet(settings: Settings) -> Iterator[Fleet]:
    """The fleet on `settings.broker_url`.

    Raises:
        UsageError: that is no URL of a Redis.
        UnavailableError: the broker cannot be reached or would lose tasks, or no worker answers.
    """
    broker = inspect_broker(settings.broker_url, embedded=False)
    app = make_app(settings)
    try:
        members = roster.find(app, FIND_S)
        if not members:
            raise UnavailableError(
                f"no Celery worker answered on {safe_url(settings.broker_url)} within {FIND_S:.0f} s; "
                "start one with 'docker compose up worker' or 'celery -A worker.app worker', "
                "or leave --broker away to use embedded ones"
            )
        fleet = Fleet(app, settings, broker, members)
        try:
            yield fleet
        finally:
            fleet.close()
    finally:
        app.close()


def inspect_broker(url: str, embedded: bool) -> Broker:
    """What the broker is, after proof that it answers and will not drop tasks.

    Raises:
        UsageError: that is no URL of a Redis.
        UnavailableError: it cannot be reached, refuses us, or evicts keys when memory runs short.
    """
    check_url(url)
    try:
        with connect(url, timeout_s=5.0) as client:
            client.ping()
            server, memory = client.info("server"), client.info("memory")
    except redis.AuthenticationError:
        raise UnavailableError(
            f"the broker {safe_url(url)} refused the password; give it in the URL: redis://:PASSWORD@host:6379/0"
        ) from None
    except (redis.RedisError, OSError) as error:
        raise UnavailableError(
            f"the broker {safe_url(url)} cannot be reached ({error}); see if it runs and the address is right, "
            "or leave --broker away to use an embedded one"
        ) from None
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        raise UnavailableError(
            f"the broker {safe_url(url)} has maxmemory-policy {policy}, which drops queued tasks without a word; "
            "set it with 'CONFIG SET maxmemory-policy noeviction'"
        )
    if "valkey_version" in server:
        return Broker("valkey", str(server["valkey_version"]), embedded)
    return Broker("redis", str(server["redis_version"]), embedded)


def check_url(url: str) -> None:
    """Raise `UsageError` unless `url` is that of a Redis."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in SCHEMES and bool(parts.hostname or parts.path) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"broker {safe_url(url)!r} is no URL of a Redis; write redis://host:6379/0")


def safe_url(url: str) -> str:
    """The URL without its password, for people to see."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, _, _ = head.partition("://")
    return f"{scheme}://***@{tail}"
