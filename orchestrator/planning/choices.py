"""What there is to choose from, by the registries."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.planning.options import PROFILES
from orchestrator.strategies import STRATEGIES
from worker.payloads import TRANSPORTS
from worker.stages import STAGES


def names() -> Mapping[str, tuple[str, ...]]:
    """The names of everything a user can choose, by kind."""
    return {
        "stages": tuple(STAGES),
        "kernels": tuple(dict.fromkeys(kernel for stage in STAGES.values() for kernel in stage.kernels)),
        "strategies": tuple(STRATEGIES),
        "transports": tuple(TRANSPORTS),
        "profiles": tuple(PROFILES),
    }
