"""Function: the user's own, by its name `pkg.mod:name`, among those that this process may call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from worker.functions import AllowedFunctions

KERNELS: Final[Mapping[str, Callable[[Any], Any]]] = AllowedFunctions()


def reference(value: Any) -> Any:
    """Refuse: nothing but the function itself, called serially, defines its right output."""
    raise NotImplementedError("a user's function has no reference")
