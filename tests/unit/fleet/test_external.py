"""Checks of a broker and a payload store before they are used."""

from __future__ import annotations

import re

import pytest
import redis

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet import external
from orchestrator.fleet.external import inspect_broker, inspect_payload_store, settings_for
from worker.settings import Settings

BROKER = Settings(broker_url="redis://broker:6379/0", payload_url=None)
APART = BROKER.model_copy(update={"payload_url": "redis://user:secret@store:6379/0"})


class Answering:
    """A stand-in for a Redis with this answer to INFO."""

    def __init__(self, memory: dict[str, str] | Exception) -> None:
        self._memory = memory

    def __call__(self, *_: object, **__: object) -> Answering:
        return self

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *exc: object) -> None:
        """Do nothing: no connection is open."""

    def ping(self) -> bool:
        return True

    def info(self, section: str) -> dict[str, str]:
        if isinstance(self._memory, Exception):
            raise self._memory
        return {"redis_version": "8.0.2"} if section == "server" else self._memory


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch):
    return lambda memory: monkeypatch.setattr(external, "connect", Answering(memory))


def test_a_server_that_never_evicts_is_accepted(answer):
    answer({"maxmemory_policy": "noeviction"})
    assert inspect_broker(BROKER, embedded=False).evicts is False


def test_a_server_that_hides_its_policy_is_accepted_and_the_result_says_so(answer):
    """Some providers forbid CONFIG and leave the policy out of INFO."""
    answer({"used_memory": "1"})
    broker = inspect_broker(BROKER, embedded=False)
    assert (broker.name, broker.version, broker.evicts) == ("redis", "8.0.2", None)


def test_a_broker_and_a_payload_store_that_evict_are_refused(answer):
    answer({"maxmemory_policy": "allkeys-lru"})
    with pytest.raises(
        UnavailableError, match=r"the broker redis://broker:6379/0 has .* deletes queued tasks"
    ):
        inspect_broker(BROKER, embedded=False)
    with pytest.raises(
        UnavailableError, match=r"the payload store redis://\*\*\*@store:6379/0 has .* deletes payloads"
    ):
        inspect_payload_store(APART)


def test_a_payload_store_that_is_the_broker_is_not_checked_again(answer):
    answer(redis.ConnectionError("must not be called"))
    assert inspect_payload_store(BROKER) is None


def test_a_missing_permission_is_named(answer):
    answer(redis.exceptions.NoPermissionError("User x has no permissions to run the 'info' command"))
    with pytest.raises(UnavailableError, match="denied access: its user may not run 'info'"):
        inspect_broker(BROKER, embedded=False)


def test_certificates_in_the_query_of_a_broker_url_are_a_usage_error():
    with pytest.raises(UsageError, match="BREAKEVEN_TLS_CA"):
        settings_for("rediss://u:secret@host:6380/0?ssl_cert_reqs=none")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:7777/0", "redis://127.0.0.1:7777/0"),
        ("redis://:secret@broker:6379/0", "'redis://***@broker:6379/0'"),
    ],
)
def test_the_error_for_no_workers_has_the_command_that_starts_one_on_that_broker(
    answer, monkeypatch, url, shown
):
    answer({"maxmemory_policy": "noeviction"})
    monkeypatch.setattr(external, "wait_for_workers", lambda *_: [])
    line = f"BREAKEVEN_BROKER_URL={shown} celery -A worker.app worker --concurrency 1 --hostname w1@%h"
    with (
        pytest.raises(UnavailableError, match=f"start one with: {re.escape(line)}$"),
        external.external_fleet(Settings(broker_url=url, payload_url=None)),
    ):
        pass


def test_the_error_for_no_workers_names_compose_where_workers_are_its_service(answer, monkeypatch):
    answer({"maxmemory_policy": "noeviction"})
    monkeypatch.setenv("BREAKEVEN_WORKERS_AT", "worker")
    monkeypatch.setattr(external, "wait_for_workers", lambda *_: [])
    with (
        pytest.raises(
            UnavailableError, match=r"; start two: 'docker compose up --scale worker=2', or WORKERS=2 in"
        ),
        external.external_fleet(BROKER.model_copy(update={"payload_url": None})),
    ):
        pass
