"""Where a run's pictures come from: synthetic photographs, a directory, or the user's URLs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from PIL import Image

from orchestrator.errors import UnavailableError, UsageError
from worker.stages.decode import FORMATS

Kind: TypeAlias = Literal["origin", "directory", "template"]

ORIGIN: Final = "origin"
INDEX: Final = "{i}"
FOLDER_IMAGES: Final = 50  # pictures of a directory that are used unless --images asks for more
PLAIN_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Source:
    """What `--source` names."""

    kind: Kind
    option: str  # as the user wrote it
    files: tuple[str, ...] = ()  # the pictures of a directory, in name order
    others: int = 0  # files of the directory that are no pictures

    @property
    def directory(self) -> Path | None:
        """The directory that an image server has to serve, absolute; `None` for the other kinds."""
        return path_of(self.option).absolute() if self.kind == "directory" else None

    @property
    def served(self) -> bool:
        """Whether the source needs an image server."""
        return self.kind != "template"

    def names(self, images: int) -> tuple[str, ...]:
        """Return the files or URLs of a batch, in order; none of pictures that we make ourselves."""
        return self.files[:images] if self.kind != "template" else self.urls("", images)

    def count(self, images: int) -> int:
        """Return how many pictures there are where `images` are asked for: a directory may have fewer."""
        return min(images, len(self.files)) if self.kind == "directory" else images

    @property
    def usual_count(self) -> int | None:
        """How many pictures of a directory are used unless the user says; `None` for the other kinds."""
        return min(FOLDER_IMAGES, len(self.files)) if self.kind == "directory" else None

    def skipped(self) -> str | None:
        """Return how many files of a directory are no pictures; `None` if all are."""
        if not self.others:
            return None
        files = (
            "1 file that is no picture" if self.others == 1 else f"{self.others} files that are no pictures"
        )
        return f"source {self.option}: skipped {files}"

    def left_out(self, images: int) -> str | None:
        """Return that a run of `images` leaves out pictures of a directory; `None` if it leaves out none."""
        if self.kind != "directory" or images >= len(self.files):
            return None
        has = len(self.files)
        return f"source {self.option}: using {images} of its {has} pictures; --images {has} uses all"

    def lacking(self, images: int) -> str | None:
        """Return that a directory has fewer files than `images`; `None` if it has enough."""
        has = self.count(images)
        if has == images:
            return None
        pictures = "1 picture" if has == 1 else f"{has} pictures"
        return f"source {self.option} has {pictures}: each batch has {has} images, not {images}"

    def urls(self, base_url: str, images: int) -> tuple[str, ...]:
        """Return the URLs of up to `images` pictures, on the image server at `base_url` unless it is a template."""
        if images < 1:
            raise UsageError(f"images {images} is out of range; it may be 1 or more")
        if self.kind == "template":
            return tuple(self.option.replace(INDEX, str(i)) for i in range(images))
        base = base_url.rstrip("/")
        if self.kind == "directory":
            return tuple(base + file_path(i, name) for i, name in enumerate(self.files[:images]))
        return tuple(base + synthetic_path(i) for i in range(images))


def parse(option: str) -> Source:
    """Return the source that `--source` names: `origin`, a directory (`./origin` too), or a URL template with `{i}`.

    Raises:
        UsageError: a template without `{i}`, with other braces, or neither http nor https.
        UnavailableError: a directory that does not exist, or has no files.
    """
    if not option.strip():
        raise UsageError("source is empty; it may be 'origin', a directory, or a URL template that holds {i}")
    kind = kind_of(option)
    if kind == "template":
        _check_template(option)
    if kind != "directory":
        return Source(kind, option)
    files = files_of(path_of(option))
    pictures = pictures_of(files)
    if not pictures:
        raise UnavailableError(
            f"source directory {option} holds no pictures; put files of {', '.join(FORMATS)} directly into it"
        )
    return Source(kind, option, tuple(file.name for file in pictures), len(files) - len(pictures))


def path_of(option: str) -> Path:
    """Return the path that an option names, with `~` and `~USER` replaced if there is such a user."""
    return Path(os.path.expanduser(option))  # noqa: PTH111 - Path's raises if there is none


def kind_of(option: str) -> Kind:
    """Return the kind of source that `--source` names, which need not exist."""
    if option == ORIGIN:
        return "origin"
    if "://" in option or (INDEX in option and not Path(option).is_dir()):
        return "template"
    return "directory"


def files_of(directory: Path) -> tuple[Path, ...]:
    """Return a directory's regular, visible files in name order, or raise `UnavailableError`."""
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
        raise UnavailableError(f"source directory {directory} holds no files; put them directly into it")
    return files


def pictures_of(files: Iterable[Path]) -> tuple[Path, ...]:
    """Return the files that are pictures, by the suffix of their name or by their content.

    What has the suffix of a picture counts as one although it may be broken: its task will name the file.
    """
    suffixes = {suffix for suffix, format_ in Image.registered_extensions().items() if format_ in FORMATS}
    return tuple(file for file in files if file.suffix.lower() in suffixes or _looks_like_a_picture(file))


def _looks_like_a_picture(file: Path) -> bool:
    try:
        with Image.open(file, formats=FORMATS):
            return True
    except Exception:  # noqa: BLE001 - Pillow raises anything at a file that is none
        return False


def synthetic_path(index: int) -> str:
    """Return the image server's path of synthetic photograph `index` of its set."""
    return f"/images/{index}.jpg"


def file_path(index: int, name: str) -> str:
    """Return the image server's path of file `index` of its set; of its name, only a plain suffix stays."""
    suffix = Path(name).suffix
    return f"/images/{index}{suffix if PLAIN_SUFFIX.fullmatch(suffix) else ''}"


def _check_template(template: str) -> None:
    rest = template.replace(INDEX, "")
    if rest == template:
        raise UsageError(
            f"source {template} does not contain {INDEX}; put it where the picture's number goes"
        )
    if "{" in rest or "}" in rest:
        raise UsageError(f"source {template} contains other braces than {INDEX}; write them as %7B and %7D")
    remedy = f"write it as http://HOST/PATH-WITH-{INDEX}"
    try:
        parts = urlsplit(template)
    except ValueError as error:
        raise UsageError(f"source {template} is not a URL: {error}; {remedy}") from None
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"source {template} is neither http nor https; {remedy}")
    if not parts.hostname:
        raise UsageError(f"source {template} names no host; {remedy}")
