"""One run at a time on a broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.fleet.run_lock import KEY, LOCK_S, RunLock
from tests.faults.fleets import OwnBroker, own_broker
from tests.waiting import until

SHORT_S = 0.01


@pytest.fixture
def broker() -> Iterator[OwnBroker]:
    with own_broker() as broker:
        yield broker


def test_the_lock_is_renewed_in_the_background(broker: OwnBroker) -> None:
    lock = RunLock(broker.settings(), "mine", renew_s=SHORT_S)
    lock.acquire()
    with broker.client() as client:
        client.expire(KEY, 5)
        until(lambda: client.ttl(KEY) > LOCK_S / 2)
        lock.release()
        assert not client.exists(KEY)


def test_a_lock_that_another_run_took_is_an_error_at_the_next_check(broker: OwnBroker) -> None:
    lock, other = RunLock(broker.settings(), "mine", renew_s=SHORT_S), RunLock(broker.settings(), "theirs")
    lock.acquire()
    lock.check()
    with broker.client() as client:
        client.set(KEY, other._value)

    def lost() -> bool:
        try:
            lock.check()
        except UnavailableError as error:
            return "run theirs" in str(error)
        return False

    until(lost)
    lock.release()
    with broker.client() as client:
        assert client.get(KEY) == other._value.encode()


def test_a_second_run_is_refused_and_told_which_run_has_the_lock(broker: OwnBroker) -> None:
    lock = RunLock(broker.settings(), "mine")
    lock.acquire()
    with pytest.raises(UnavailableError, match="run mine"):
        RunLock(broker.settings(), "theirs").acquire()
    lock.release()


def test_a_lock_that_the_broker_lost_is_taken_again(broker: OwnBroker) -> None:
    lock = RunLock(broker.settings(), "mine", renew_s=SHORT_S)
    lock.acquire()
    with broker.client() as client:
        client.delete(KEY)
        until(lambda: client.exists(KEY))
    lock.release()
