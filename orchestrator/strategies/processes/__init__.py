"""Processes: a batch goes to a pool of them on this machine, by shared memory.

`strategy` is the strategy. Each of its slots is a `slot_process`, which `starting` starts and which runs
`slot_program`; what it left in shared memory is read there, as one of its `outputs`.
"""

from __future__ import annotations

from orchestrator.strategies.processes.strategy import Processes

__all__ = ["Processes"]
