"""What serves in the simulation: one after the other, or all who are there at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

import simpy

Steps: TypeAlias = Generator[simpy.Event, object, None]
LinkOrder: TypeAlias = Literal["shared", "in turn"]


class Path(Protocol):
    """One direction of the payload path; `busy_s` is how long it carried something."""

    busy_s: float

    def passed(self, env: simpy.Environment, service_s: float) -> simpy.Event:
        """The event that something is through that alone would need `service_s`."""


@dataclass(slots=True)
class Servers:
    """A station that serves in the order of arrival: when each of its servers is free again."""

    free_at: list[float]
    busy_s: float = 0.0

    def passed(self, env: simpy.Environment, service_s: float) -> simpy.Event:
        """The event that it is served."""
        return env.timeout(self.wait_s(env.now, service_s))

    def wait_s(self, now: float, service_s: float) -> float:
        """Seconds from arrival to the end of the service, which begins as soon as a server is free."""
        done = max(now, self.free_at[0]) + service_s
        heapq.heapreplace(self.free_at, done)
        self.busy_s += service_s
        return done - now


@dataclass(slots=True)
class Shared:
    """A server that all who are there share evenly.

    `turns` counts the service that each of them has had since the beginning, so that who comes at a number of
    turns is through `service_s` turns later. Source: Kleinrock, "Queueing Systems", vol. 2, 1976, sec. 4.4.
    """

    busy_s: float = 0.0
    turns: float = 0.0
    since: float = 0.0
    there: list[tuple[float, int, simpy.Event]] = field(default_factory=list)
    changes: int = 0

    def passed(self, env: simpy.Environment, service_s: float) -> simpy.Event:
        """The event that it is served."""
        self._advance(env.now)
        self.busy_s += service_s
        done = env.event()
        heapq.heappush(self.there, (self.turns + service_s, self.changes, done))
        self._await_next(env)
        return done

    def _advance(self, now: float) -> None:
        if self.there:
            self.turns += (now - self.since) / len(self.there)
        self.since = now

    def _await_next(self, env: simpy.Environment) -> None:
        self.changes += 1
        if self.there:
            env.process(self._end_next(env, self.changes))

    def _end_next(self, env: simpy.Environment, change: int) -> Steps:
        yield env.timeout(max(0.0, self.there[0][0] - self.turns) * len(self.there))
        if change == self.changes:
            self._advance(env.now)
            self.turns, _, done = heapq.heappop(self.there)
            done.succeed()
            self._await_next(env)


PATHS: Final[Mapping[LinkOrder, Callable[[], Path]]] = {
    "shared": Shared,
    "in turn": lambda: Servers([0.0]),
}
