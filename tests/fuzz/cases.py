"""`@fuzz(n)`: test a property on n drawn cases, times FUZZ_SCALE, and count them."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

SCALE = int(os.environ.get("FUZZ_SCALE", "1"))

CASES: Counter[str] = Counter()  # that were run, by the module of their test


def fuzz(examples: int, **drawn: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try the test on `examples` cases, times FUZZ_SCALE.

    Cases have no deadline, since other work on the machine may slow one; one that hangs meets the test's timeout.
    """

    def decorated(test: Callable[..., None]) -> Callable[..., None]:
        part = test.__module__.rpartition("test_")[2]

        @functools.wraps(test)
        def counted(*args: Any, **kwargs: Any) -> None:
            CASES[part] += 1
            test(*args, **kwargs)

        limits = settings(
            max_examples=examples * SCALE,
            deadline=None,
            database=None,
            derandomize=SCALE == 1,  # `make test` has the same cases everywhere, `make fuzz` new ones
            suppress_health_check=list(HealthCheck),
        )
        made: Callable[..., None] = limits(given(**drawn)(counted))
        return made

    return decorated
