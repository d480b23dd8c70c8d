"""All that crosses a process or a network: tasks, outcomes, failures and hop times.

Nothing here depends on Celery: every strategy uses these types alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from worker.redaction import escape_control, redact

Pixels: TypeAlias = NDArray[np.uint8]  # (H, W, 3) RGB or (H, W) gray, C order
Payload: TypeAlias = str | bytes | Pixels  # what a stage takes or gives: a URL, an encoded picture, or pixels
Status: TypeAlias = Literal["ok", "failed", "lost"]

LOST: Final = "Lost"  # the failure type of a task without an outcome by its deadline


@dataclass(frozen=True, slots=True)
class Task:
    """One image's worth of work; `id` is unique within its batch."""

    id: int
    stage: str
    kernel: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task gave no output: the exception's class name and its message, the same in every strategy.

    Both may quote a server, a picture or a worker, so they are redacted to one printable line of bounded length.
    """

    type: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", escape_control(self.type, longest=200))
        object.__setattr__(self, "message", redact(self.message))


class Hops(NamedTuple):
    """Where one task's time went, in seconds; `None` where the strategy has no such hop.

    `compute_cpu_s` is the CPU time of the computing thread within `compute_s`; tasks whose outcomes are made together
    share theirs. Hops on the worker are durations of the worker's own clock. `queue_s` and `return_s` cross machines:
    they use an estimated clock offset, which is off by at most `clock_bound_s`, and may be negative by as much.
    """

    # A named tuple: every task makes one on the clock, and a frozen dataclass would set nine fields one by one.
    compute_s: float
    compute_cpu_s: float
    publish_s: float | None = None
    queue_s: float | None = None
    fetch_s: float | None = None
    store_s: float | None = None
    return_s: float | None = None
    latency_s: float | None = None
    clock_bound_s: float | None = None

    @property
    def unexplained_s(self) -> float | None:
        """The part of the latency that no hop accounts for."""
        if self.latency_s is None:
            return None
        legs = (self.publish_s, self.queue_s, self.fetch_s, self.compute_s, self.store_s, self.return_s)
        return self.latency_s - sum(leg for leg in legs if leg is not None)


class Outcome(NamedTuple):
    """How one task ended: with an output or a failure, never both.

    `output` is also `None` for a success whose output stays in the payload store. `slot` names the slot that ran it:
    `host:pid`, with the thread in a pool of threads.
    """

    # A named tuple, for the same reason as `Hops`.
    task_id: int
    output: Payload | None = None
    failure: Failure | None = None
    hops: Hops | None = None
    slot: str | None = None

    @property
    def status(self) -> Status:
        """`ok`, `failed`, or `lost` where no outcome came by the deadline."""
        if self.failure is None:
            return "ok"
        return "lost" if self.failure.type == LOST else "failed"
