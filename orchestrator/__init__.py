"""The orchestrator: plans a comparison, measures it, and says where distribution helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.api import Result, load, run, scale

__all__ = ["Result", "load", "run", "scale"]


def __getattr__(name: str) -> Any:
    """Return what Python programs use, loaded when it is asked for: the command line starts without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orchestrator import api  # noqa: PLC0415 - see above

    return getattr(api, name)
