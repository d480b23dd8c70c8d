"""Texts compared with files beside the tests; UPDATE_SNAPSHOTS=1 writes the files again, to review in the diff."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"


def assert_as_kept(name: str, text: str) -> None:
    """Fail unless `text` is the content of the file `name`."""
    path = FOLDER / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"no snapshot {name}: write it with UPDATE_SNAPSHOTS=1 and review it"
    assert text == path.read_text(encoding="utf-8"), "run with UPDATE_SNAPSHOTS=1 if the change is intended"
