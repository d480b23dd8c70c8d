"""How many cases there are: some in `make test`, 20,000 and more in `make fuzz`, and both say how many it were.

A test draws its cases with `@fuzz(n)`: n of them, times FUZZ_SCALE. What hypothesis tries while it shrinks
or repeats is counted, too, for those cases were run.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.cases import CASES, SCALE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The count, by module."""
    if CASES:
        parts = Counter(CASES)
        listed = ", ".join(f"{name} {count:,}" for name, count in parts.most_common())
        terminalreporter.write_line(f"fuzz: {parts.total():,} cases at scale {SCALE} ({listed})")
