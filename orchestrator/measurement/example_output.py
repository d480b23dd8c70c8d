"""One picture processed by a cell before the clock starts, for the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from PIL import Image

from orchestrator.inputs.provisioning import Inputs
from orchestrator.model.runs import Cell, ExampleOutput
from orchestrator.phrases.cells import in_stage
from orchestrator.strategies.base import Strategy
from worker.contract import Pixels, Task
from worker.stages import STAGES, stage_giving

MAX_SIDE: Final = 320  # pixels of a thumbnail


def example_output(
    cells: Sequence[Cell], strategies: Mapping[Cell, Strategy], inputs: Inputs
) -> ExampleOutput | None:
    """Return the first picture before and after a cell, a distributed one if possible; `None` if none is gray."""
    grays = [cell for cell in cells if STAGES[cell.stage].gives == "gray"]
    for cell in sorted(grays, key=lambda cell: not cell.distributed):
        task = inputs.tasks(cell)[0]
        strategy = strategies[cell]
        strategy.prepare([task])
        (outcome,) = [strategy.fetch(outcome) for outcome in list(strategy.run([task]))]
        before = _pixels_of(task)
        if before is not None and isinstance(outcome.output, np.ndarray):
            return thumbnails(before, outcome.output, in_stage(cell))
    return None


def thumbnails(before: Pixels, after: Pixels, cell: str) -> ExampleOutput:
    """Return (H, W, 3) RGB and (H, W) gray, both uint8, as PNG of at most `MAX_SIDE` pixels a side."""
    return ExampleOutput(_thumbnail(before), _thumbnail(after), cell)


def _thumbnail(pixels: Pixels) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _pixels_of(task: Task) -> Pixels | None:
    if isinstance(task.payload, np.ndarray):
        return task.payload
    try:
        encoded = STAGES[stage_giving("encoded")].reference(task.payload)
        pixels: Pixels = STAGES[stage_giving("pixels")].reference(encoded)
    except (OSError, ValueError):
        return None
    return pixels
