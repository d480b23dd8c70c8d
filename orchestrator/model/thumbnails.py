"""One picture before and after, small enough to be kept in a result: proof that the work was done."""

from __future__ import annotations

import base64
import io
from typing import Final

from PIL import Image

from orchestrator.model.runs import ExampleOutput
from worker.contract import Pixels

LONGEST_SIDE: Final = 320


def thumbnails(before: Pixels, after: Pixels, cell: str) -> ExampleOutput:
    """Both pictures as PNG of at most `LONGEST_SIDE` pixels a side.

    Args:
        before: (H, W, 3) uint8, RGB: what the cell was given.
        after: (H, W) uint8: the gray picture that it gave back.
        cell: a name for people of the cell that did it.
    """
    return ExampleOutput(_thumbnail(before), _thumbnail(after), cell)


def _thumbnail(pixels: Pixels) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
