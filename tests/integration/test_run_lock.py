"""One run at a time on a broker, for as long as it takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.fleet.run_lock import KEY, LOCK_S, RunLock
from tests.faults.world import OwnBroker, own_broker
from tests.waiting import until

OFTEN_S = 0.01


@pytest.fixture
def broker() -> Iterator[OwnBroker]:
    with own_broker() as broker:
        yield broker


def test_a_claim_lasts_while_its_run_does_nothing_about_it(broker: OwnBroker) -> None:
    lock = RunLock(broker.settings(), "mine", renew_s=OFTEN_S)
    lock.acquire()
    with broker.client() as client:
        client.expire(KEY, 10)
        until(lambda: client.ttl(KEY) > LOCK_S / 2)
        lock.release()
        assert not client.exists(KEY)


def test_a_claim_that_was_lost_to_another_run_is_told_when_it_is_looked_at(broker: OwnBroker) -> None:
    lock, other = RunLock(broker.settings(), "mine", renew_s=OFTEN_S), RunLock(broker.settings(), "theirs")
    lock.acquire()
    lock.check()
    with broker.client() as client:
        client.set(KEY, other._text)

    def lost() -> bool:
        try:
            lock.check()
        except UnavailableError as error:
            return "run theirs" in str(error)
        return False

    until(lost)
    lock.release()
    with broker.client() as client:
        assert client.get(KEY) == other._text.encode()


def test_a_second_run_is_refused(broker: OwnBroker) -> None:
    lock = RunLock(broker.settings(), "mine")
    lock.acquire()
    with pytest.raises(UnavailableError, match="run mine"):
        RunLock(broker.settings(), "theirs").acquire()
    lock.release()


def test_a_claim_that_is_gone_with_the_broker_is_staked_again(broker: OwnBroker) -> None:
    lock = RunLock(broker.settings(), "mine", renew_s=OFTEN_S)
    lock.acquire()
    with broker.client() as client:
        client.delete(KEY)
        until(lambda: client.exists(KEY))
    lock.release()
