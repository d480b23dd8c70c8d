"""Reports how many cases were run: some in `make test`, over 20,000 in `make fuzz`.

Cases that hypothesis runs while it shrinks or repeats are counted as well.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.cases import CASES, SCALE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report the count by module."""
    if CASES:
        parts = Counter(CASES)
        listed = ", ".join(f"{name} {count:,}" for name, count in parts.most_common())
        terminalreporter.write_line(f"fuzz: {parts.total():,} cases at scale {SCALE} ({listed})")
