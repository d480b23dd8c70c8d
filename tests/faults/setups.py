"""The fleets that faults are injected into: embedded, or on a broker that somebody else runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.strategies.celery import Celery
from tests.faults import dying
from tests.faults.fleets import OwnBroker, World, embedded, own_broker
from tests.faults.proxy import Proxy
from tests.faults.trial import Trial, Work, trial


@dataclass(frozen=True)
class Theirs:
    """A broker and workers that somebody else runs, with a proxy or a payload store in some set-ups."""

    broker: OwnBroker
    workers: int
    proxy: Proxy | None = None
    store: str | None = None

    def trial(self, fault: Callable[[Celery], object], work: Work | None = None, after: int = 5) -> Trial:
        """Inject a fault into a batch on a new fleet, close the fleet, and list what is left on the broker."""
        port = self.proxy.port if self.proxy else None
        others = {} if self.store is None else {"payload_url": self.store}
        with self.broker.fleet(self.workers, port, **others) as fleet:
            made = trial(fleet, fault, work, after)
        return replace(made, left=tuple(self.broker.leftovers()))

    def kill(self, name: str) -> None:
        """Kill a worker."""
        os.kill(self.broker.processes.pids[name], signal.SIGKILL)


@contextmanager
def ours() -> Iterator[World]:
    """Two embedded workers, as in a run without --broker."""
    with embedded(2) as world:
        yield world


@contextmanager
def theirs(names: str = "ab", limit_s: str = "120", **options: str) -> Iterator[Theirs]:
    """Workers of one slot each on an external broker; a batch uses two of them."""
    with own_broker(**options) as broker:
        for name in names:
            broker.start_worker(name, None, BREAKEVEN_TASK_TIME_LIMIT_S=limit_s)
        yield Theirs(broker, len(names))


@contextmanager
def with_a_spare() -> Iterator[Theirs]:
    """Three workers, of which a batch uses two."""
    with theirs("abc") as place:
        yield place


@contextmanager
def impatient() -> Iterator[Theirs]:
    """Workers with a task time limit of one second."""
    with theirs("ab", limit_s="1") as place:
        yield place


@contextmanager
def with_a_dying_slot() -> Iterator[Theirs]:
    """Two workers; the slot process of one dies after an answer when a file tells it to."""
    with own_broker() as broker:
        broker.start_worker("a")
        broker.start_worker("b", include=dying.__name__, **{dying.DIE_FILE: str(die_file(broker))})
        yield Theirs(broker, 2)


def die_file(broker: OwnBroker) -> Path:
    """Return the file that tells the slot process to die."""
    return broker.processes.folder / "die"


@contextmanager
def behind_a_proxy() -> Iterator[Theirs]:
    """Workers and an orchestrator that reach the broker through one proxy."""
    with own_broker() as broker, Proxy(broker.port) as proxy:
        for name in "ab":
            broker.start_worker(name, proxy.port)
        yield Theirs(broker, 2, proxy)


@contextmanager
def with_a_store() -> Iterator[Theirs]:
    """Workers with a payload store that is not the broker."""
    with own_broker() as broker:
        store = broker.start_store()
        for name in "ab":
            broker.start_worker(name, None, BREAKEVEN_PAYLOAD_URL=store)
        yield Theirs(broker, 2, store=store)
