"""Where faults befall a batch: a fleet of the run's own, or a broker and workers that somebody else runs."""

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
    """A broker and workers that somebody else runs; `port` is where the orchestrator and the workers see it."""

    broker: OwnBroker
    workers: int
    proxy: Proxy | None = None
    store: str | None = None

    def trial(self, fault: Callable[[Celery], object], work: Work | None = None, after: int = 5) -> Trial:
        """Hurt a batch on a fleet of its own, and see what is left at the broker when that is put away."""
        port = self.proxy.port if self.proxy else None
        others = {} if self.store is None else {"payload_url": self.store}
        with self.broker.fleet(self.workers, port, **others) as fleet:
            made = trial(fleet, fault, work, after)
        return replace(made, left=tuple(self.broker.leftovers()))

    def kill(self, name: str) -> None:
        """End a worker at once."""
        os.kill(self.broker.processes.pids[name], signal.SIGKILL)


@contextmanager
def ours() -> Iterator[World]:
    """Two embedded workers, as a run without --broker has them."""
    with embedded(2) as world:
        yield world


@contextmanager
def theirs(names: str = "ab", limit_s: str = "120", **options: str) -> Iterator[Theirs]:
    """Workers of one slot each on a broker of their own, of which a batch uses two."""
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
    """Workers that end a task after a second."""
    with theirs("ab", limit_s="1") as place:
        yield place


@contextmanager
def with_one_that_dies() -> Iterator[Theirs]:
    """Two workers, of which one's slot process dies after an answer where it is told to."""
    with own_broker() as broker:
        broker.start_worker("a")
        broker.start_worker("b", include=dying.__name__, **{dying.TOLD_BY: str(told_to_die(broker))})
        yield Theirs(broker, 2)


def told_to_die(broker: OwnBroker) -> Path:
    """The file that tells it to."""
    return broker.processes.folder / "die"


@contextmanager
def behind_a_line() -> Iterator[Theirs]:
    """Workers and an orchestrator that reach the broker through one line."""
    with own_broker() as broker, Proxy(broker.port) as proxy:
        for name in "ab":
            broker.start_worker(name, proxy.port)
        yield Theirs(broker, 2, proxy)


@contextmanager
def with_a_store() -> Iterator[Theirs]:
    """Workers whose payloads lie in a Redis of their own."""
    with own_broker() as broker:
        store = broker.start_store()
        for name in "ab":
            broker.start_worker(name, None, BREAKEVEN_PAYLOAD_URL=store)
        yield Theirs(broker, 2, store=store)
