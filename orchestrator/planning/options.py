"""What a user may ask of a comparison, and the profiles that answer for whatever was not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `run` and its kin as they were given; `None` or empty where the profile decides."""

    profile: str = "quick"
    stages: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()
    chunks: tuple[int, ...] = ()
    data: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    images: int | None = None
    size: str | None = None
    source: str = "origin"
    latency_ms: float | None = None
    bandwidth_mbit: float | None = None
    slots: int | None = None
    rounds: str | None = None
    target: float | None = None
    budget_s: float | None = None
    warmup: int | None = None
    seed: int = 1
    margin: float = 0.05
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """Defaults that belong together. `slots` is `None` where it follows the processors that may be used."""

    description: str
    images: int
    width: int
    height: int
    latency_ms: float
    bandwidth_mbit: float | None
    slots: int | None
    rounds: int
    warmup: int
    transports: tuple[str, ...]
    chunks: tuple[int, ...]
    data: tuple[str, ...]


PROFILES: Mapping[str, Profile] = {
    "quick": Profile(
        description="every stage, kernel and strategy on small pictures, within a minute on two cores",
        images=8,
        width=128,
        height=96,
        latency_ms=3.0,
        bandwidth_mbit=None,
        slots=None,
        rounds=49,
        warmup=1,
        transports=("redis",),
        chunks=(1, 4),
        data=("local",),
    ),
    "notebook": Profile(
        description="the notebook's workload: 20 pictures of 800x800 on 4 slots, every row of it",
        images=20,
        width=800,
        height=800,
        latency_ms=100.0,
        bandwidth_mbit=100.0,
        slots=4,
        rounds=6,
        warmup=1,
        transports=("redis",),
        chunks=(1, 5),
        data=("local",),
    ),
}
