"""Why a file is no result, and what to give instead."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

RESULTS: Final = Path("results")
"""Where a run's result is, unless `--output` named another folder."""

NAMES: Final = "[0-9]*T[0-9]*Z-*.json"
"""The names that runs give their results; in their order the newest is last."""


def unreadable(path: Path, error: OSError) -> str:
    """Why a file cannot be read, and which result is the newest where it, or results in general, would be."""
    said = f"{path} cannot be read: {os.strerror(error.errno or 0)}"
    for folder in (path if path.is_dir() else path.parent, RESULTS):
        names = [file.name for file in folder.glob(NAMES)]
        if names:
            return f"{said}; the newest result is {folder / max(names)}"
    return said


def malformed(path: Path, content: bytes, error: ValueError) -> str:
    """Why a file's text is none of a result, and where the right one is."""
    said = f"{path} is not a result file"
    start = content[:200].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return f"{said}: it is the page that a run writes beside its result; give {path.with_suffix('.json')}"
    if start.startswith(b"{") and isinstance(error, json.JSONDecodeError):
        return f"{said}: it is cut off or damaged at line {error.lineno}; copy it again from where it was written"
    return f"{said}: {error}"
