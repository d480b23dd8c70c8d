"""Run the slow faults only when they are asked for with `-m slow_fault`."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "slow_fault" not in config.option.markexpr:
        slow = [item for item in items if "slow_fault" in item.keywords]
        items[:] = [item for item in items if "slow_fault" not in item.keywords]
        config.hook.pytest_deselected(items=slow)
