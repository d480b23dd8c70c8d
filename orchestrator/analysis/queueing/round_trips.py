"""How often a message crosses the network and waits for the answer, counted in the code that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orchestrator.model.flow_control import (
    MAX_IN_FLIGHT_BYTES,
    MAX_IN_FLIGHT_MESSAGES,
    ROUND_TRIPS_PER_MESSAGE,
)
from orchestrator.model.runs import Cell, Plan

URL_STAGES: Final = ("download", "pipeline")
"""Stages whose input is a URL, which travels in the message: nothing is put into the payload store."""

CHANNELS: Final = 3
"""Bytes a pixel of an RGB picture."""


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Round trips for each message (`slot`, `publish`, `collect`); a flush is one more for each burst."""

    slot: int
    publish: int
    collect: int


def round_trips(cell: Cell, chunk: int) -> RoundTrips:
    """What a cell's messages of `chunk` tasks need.

    With the transport `redis`: the orchestrator puts a message's inputs in one (`put_many`) and takes its
    outputs in one (`get_many`); a worker gets and stores task by task (worker/tasks.py, `_serve_one`). Other
    transports do not ask the payload store. Resident data is neither put nor taken on the clock.
    """
    if cell.transport != "redis":
        return RoundTrips(ROUND_TRIPS_PER_MESSAGE, 0, 0)
    fetches = 0 if cell.stage in URL_STAGES else 1
    local = int(cell.data != "resident")
    return RoundTrips(ROUND_TRIPS_PER_MESSAGE + chunk * (fetches + 1), local * fetches, local)


def window(cell: Cell, plan: Plan, payload_bytes: float, chunk: int) -> int:
    """How many messages of `chunk` tasks the orchestrator has under way at most.

    Args:
        cell: what is sent.
        plan: its picture size, where the cell has none of its own.
        payload_bytes: what a task's payloads move, as `Stations` counts them.
        chunk: tasks in a message.
    """
    pixels = (cell.width or plan.width) * (cell.height or plan.height)
    moved = payload_bytes if cell.data == "resident" else payload_bytes / 2
    inputs = {
        "decode": max(0.0, moved - CHANNELS * pixels),
        "grayscale": min(moved, float(CHANNELS * pixels)),
    }.get(cell.stage, 0.0)
    return int(min(MAX_IN_FLIGHT_MESSAGES, MAX_IN_FLIGHT_BYTES / max(1.0, chunk * inputs) + 1))
