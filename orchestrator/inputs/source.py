"""Where a run's pictures come from: synthetic photographs, a directory, or the user's URLs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from orchestrator.errors import UnavailableError, UsageError

Kind: TypeAlias = Literal["origin", "directory", "template"]

ORIGIN: Final = "origin"
INDEX: Final = "{i}"
PLAIN_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Source:
    """What `--source` names."""

    kind: Kind
    option: str  # as the user wrote it
    files: tuple[str, ...] = ()  # of a directory, in name order

    @property
    def directory(self) -> Path | None:
        """The directory that an image server has to serve, absolute; `None` for the other kinds."""
        return Path(self.option).expanduser().absolute() if self.kind == "directory" else None

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

    def left_out(self, images: int) -> str | None:
        """Return which files of a directory a run of `images` leaves out; `None` if none."""
        others = self.files[images:]
        if self.kind != "directory" or not others:
            return None
        which = others[0] if len(others) == 1 else f"{others[0]} to {others[-1]}"
        return (
            f"source {self.option}: {len(others)} of its {len(self.files)} files left out ({which}); "
            f"--images {len(self.files)} takes all"
        )

    def lacking(self, images: int) -> str | None:
        """Return that a directory has fewer files than `images`; `None` if it has enough."""
        has = self.count(images)
        if has == images:
            return None
        files = "1 file" if has == 1 else f"{has} files"
        return f"source {self.option} has {files}: each batch has {has} images, not {images}"

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
    files = files_of(Path(option).expanduser()) if kind == "directory" else ()
    return Source(kind, option, tuple(file.name for file in files))


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
        raise UnavailableError(f"source directory {directory} holds no files; put pictures directly into it")
    return files


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
