"""What an origin has to offer: the path of every picture, and how to come by its bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator.errors import UnavailableError
from orchestrator.inputs.synthetic import encode, photograph

CONTENT_TYPES: Mapping[str, str] = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
}
OTHER_CONTENT = "application/octet-stream"

_PLAIN_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture as it goes over the wire."""

    body: bytes
    content_type: str


Catalogue = Mapping[str, Callable[[], Picture]]
"""The path of each picture's URL, and the function that makes or reads it."""


def synthetic(seed: int, images: int, width: int, height: int) -> Catalogue:
    """Synthetic photographs 0 to `images` - 1 of the set `seed`, none of them made yet."""
    return {synthetic_path(i): partial(synthetic_picture, seed, i, width, height) for i in range(images)}


def from_directory(directory: Path, images: int | None = None) -> Catalogue:
    """The first `images` files of a directory in name order, or all of them; none of them read yet.

    Raises:
        UnavailableError: there is no such directory, or it holds no files.
    """
    files = files_of(directory)[:images]
    return {file_path(i, file.name): partial(read_picture, file) for i, file in enumerate(files)}


def files_of(directory: Path) -> tuple[Path, ...]:
    """The regular files directly in a directory, in name order; hidden ones, links and folders are left out.

    Raises:
        UnavailableError: there is no such directory, it cannot be read, or it holds no files.
    """
    try:
        entries = sorted(directory.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise UnavailableError(
            f"source directory {directory} cannot be read: {error.strerror}; name one that holds pictures"
        ) from None
    files = tuple(
        entry
        for entry in entries
        if not entry.name.startswith(".") and not entry.is_symlink() and entry.is_file()
    )
    if not files:
        raise UnavailableError(f"source directory {directory} holds no files; put pictures directly into it")
    return files


def synthetic_path(index: int) -> str:
    """Where the synthetic photograph `index` lies."""
    return f"/images/{index}.jpg"


def file_path(index: int, name: str) -> str:
    """Where file number `index` of a directory lies: its own name stays out, but for a plain suffix."""
    suffix = Path(name).suffix
    return f"/images/{index}{suffix if _PLAIN_SUFFIX.fullmatch(suffix) else ''}"


def synthetic_picture(seed: int, index: int, width: int, height: int) -> Picture:
    """A synthetic photograph, made now.

    Raises:
        UsageError: a number is out of its range.
    """
    return Picture(encode(photograph(seed, index, width, height)), CONTENT_TYPES[".jpg"])


def read_picture(file: Path) -> Picture:
    """A file, read now.

    Raises:
        UnavailableError: it cannot be read.
    """
    try:
        body = file.read_bytes()
    except OSError as error:
        raise UnavailableError(
            f"source file {file} cannot be read: {error.strerror}; mend its permissions or move it away"
        ) from None
    return Picture(body, CONTENT_TYPES.get(file.suffix.lower(), OTHER_CONTENT))
