"""Where a run's pictures come from: the origin's synthetic photographs, a directory, or the user's URLs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.inputs.catalogue import file_path, files_of, synthetic_path

Kind = Literal["origin", "directory", "template"]

ORIGIN = "origin"
PLACE = "{i}"


@dataclass(frozen=True, slots=True)
class Source:
    """What `--source` names. `files` are a directory's, in name order; `option` is what the user wrote."""

    kind: Kind
    option: str
    files: tuple[str, ...] = ()

    @property
    def directory(self) -> Path | None:
        """The directory that the origin has to serve, absolute; `None` for the other kinds."""
        return Path(self.option).expanduser().absolute() if self.kind == "directory" else None

    @property
    def served(self) -> bool:
        """Whether an origin must run for it."""
        return self.kind != "template"

    def count(self, images: int) -> int:
        """How many pictures there are where `images` are asked for: a directory may hold fewer."""
        return min(images, len(self.files)) if self.kind == "directory" else images

    def left_out(self, images: int) -> str | None:
        """Which of a directory's files have no part in a run of so many `images`; `None` where all have."""
        others = self.files[images:]
        if self.kind != "directory" or not others:
            return None
        which = others[0] if len(others) == 1 else f"{others[0]} to {others[-1]}"
        return (
            f"source {self.option}: {len(others)} of its {len(self.files)} files left out ({which}); "
            f"--images {len(self.files)} takes all"
        )

    def lacking(self, images: int) -> str | None:
        """That a directory holds fewer files than a run of so many `images` asks for; `None` where it does not."""
        has = self.count(images)
        if has == images:
            return None
        files = "1 file" if has == 1 else f"{has} files"
        return f"source {self.option} holds {files}: each batch is of {has}, not of {images} images"

    def urls(self, base_url: str | None, images: int) -> tuple[str, ...]:
        """The batch's URLs, in order.

        Args:
            base_url: the origin's, such as `http://127.0.0.1:8000`; `None` where none is needed.
            images: how many are asked for, 1 or more.

        Raises:
            UsageError: `images` is below 1.
            UnavailableError: the source is served by an origin and there is none.
        """
        if images < 1:
            raise UsageError(f"images {images} is out of range; it may be 1 or more")
        if self.kind == "template":
            return tuple(self.option.replace(PLACE, str(i)) for i in range(images))
        if base_url is None:
            raise UnavailableError(
                f"source {self.option} needs an origin and none runs; start one with 'orchestrator origin'"
            )
        base = base_url.rstrip("/")
        if self.kind == "directory":
            return tuple(base + file_path(i, name) for i, name in enumerate(self.files[:images]))
        return tuple(base + synthetic_path(i) for i in range(images))


def parse(option: str) -> Source:
    """The source that `--source` names.

    Args:
        option: `origin`, a directory, or a URL template that holds `{i}`; a directory of the name `origin`
            is written `./origin`.

    Raises:
        UsageError: a template without `{i}`, with other braces, or neither http nor https.
        UnavailableError: a directory that is not there, or holds no files.
    """
    if not option.strip():
        raise UsageError("source is empty; it may be 'origin', a directory, or a URL template that holds {i}")
    kind = kind_of(option)
    if kind == "template":
        _check_template(option)
    files = files_of(Path(option).expanduser()) if kind == "directory" else ()
    return Source(kind, option, tuple(file.name for file in files))


def kind_of(option: str) -> Kind:
    """What `--source` names, before it is looked whether it is there."""
    if option == ORIGIN:
        return "origin"
    if "://" in option or (PLACE in option and not Path(option).is_dir()):
        return "template"
    return "directory"


def _check_template(template: str) -> None:
    rest = template.replace(PLACE, "")
    if rest == template:
        raise UsageError(f"source {template} does not hold {PLACE}; put it where the picture's number goes")
    if "{" in rest or "}" in rest:
        raise UsageError(f"source {template} holds other braces than {PLACE}; write them as %7B and %7D")
    try:
        parts = urlsplit(template)
    except ValueError as error:
        raise UsageError(
            f"source {template} is no URL: {error}; write it as http://HOST/PATH-WITH-{PLACE}"
        ) from None
    if parts.scheme not in ("http", "https"):
        raise UsageError(
            f"source {template} is neither http nor https; write it as http://HOST/PATH-WITH-{PLACE}"
        )
    if not parts.hostname:
        raise UsageError(f"source {template} names no host; write it as http://HOST/PATH-WITH-{PLACE}")
