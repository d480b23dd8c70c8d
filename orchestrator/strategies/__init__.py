"""Who does a batch: what is known of each strategy before it runs.

`STRATEGIES` is the registry: a new strategy is one new file and one entry here. Analysis and planning read it, so it
names the implementations and loads none: Celery is loaded only by a run that uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol


class TransportKind(Protocol):
    """What planning knows of a transport."""

    @property
    def summary(self) -> str:
        """What it does, in a few words."""


@dataclass(frozen=True, slots=True)
class Idiom:
    """A strategy as its documentation shows it: what its cells of style `idiomatic` do, one task a message or call."""

    summary: str
    implementation: str  # the class, as `module:name`
    transport: str


@dataclass(frozen=True, slots=True)
class StrategyKind:
    """What planning and analysis know of a strategy."""

    summary: str  # what it does, in a few words
    implementation: str  # the class, as `module:name`
    many_slots: bool = False  # it can use more than one slot
    batched: bool = False  # it needs a kernel that does a whole batch
    asynchronous: bool = False  # it runs coroutines, and so only functions of the user's that are `async def`
    distributed: bool = False  # its tasks go to the workers of a fleet
    own_processes: bool = False  # each of its slots is a process
    open_loop: bool = False  # it can take tasks as they arrive
    chunks: bool = False  # it takes several tasks a message or call
    transport_registry: str | None = None  # its transports by name, as `module:name`
    short_transports: Mapping[str, str] = field(default_factory=dict)  # names for a narrow table
    idiom: Idiom | None = None  # how its documentation shows it
    in_default_run: bool = True  # it is compared where no strategy is asked for

    @property
    def transports(self) -> Mapping[str, TransportKind]:
        """The transports that it takes, by name; loads them."""
        found: Mapping[str, TransportKind] = load(self.transport_registry) if self.transport_registry else {}
        return found


def load(name: str) -> Any:
    """Return the object that `module:name` names."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


STRATEGIES: Mapping[str, StrategyKind] = {
    "serial": StrategyKind(
        "one task after the other, in one thread", "orchestrator.strategies.serial:Serial"
    ),
    "threads": StrategyKind(
        "concurrent.futures.ThreadPoolExecutor in this process",
        "orchestrator.strategies.threads:Threads",
        many_slots=True,
        open_loop=True,
        chunks=True,
    ),
    "processes": StrategyKind(
        "concurrent.futures.ProcessPoolExecutor on this machine",
        "orchestrator.strategies.processes:Processes",
        many_slots=True,
        own_processes=True,
        open_loop=True,
        chunks=True,
        transport_registry="orchestrator.strategies.process_transports:TRANSPORTS",
        short_transports={"shared-memory": "shared"},
        idiom=Idiom(
            "ProcessPoolExecutor.map",
            "orchestrator.strategies.processes:IdiomaticProcesses",
            transport="pickle",
        ),
    ),
    "vectorized": StrategyKind(
        "NumPy over the whole stacked batch",
        "orchestrator.strategies.vectorized:Vectorized",
        batched=True,
    ),
    "asyncio": StrategyKind(
        "coroutines on one event loop, of an async def",
        "orchestrator.strategies.asyncio:Asyncio",
        many_slots=True,
        asynchronous=True,
        in_default_run=False,
    ),
    "celery": StrategyKind(
        "Celery workers behind a Redis broker",
        "orchestrator.strategies.celery:Celery",
        many_slots=True,
        distributed=True,
        own_processes=True,
        open_loop=True,
        chunks=True,
        transport_registry="worker.payloads:TRANSPORTS",
        idiom=Idiom(
            "delay() for every task, then get(), payloads as base64 in JSON",
            "orchestrator.strategies.celery:IdiomaticCelery",
            transport="inline",
        ),
    ),
}
