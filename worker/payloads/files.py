"""Files: the message carries a name, the bytes lie in a folder that both sides see."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Self

from worker.contract import Payload
from worker.payloads import codec
from worker.payloads.transport import PayloadMissingError, Reference, Transport
from worker.settings import Settings

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,200}")


class Files(Transport):
    """A file a payload, in one flat folder. A name from a message never leaves that folder."""

    summary: ClassVar[str] = "the message carries a name, the bytes lie in a folder that workers share"

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which must exist."""
        self._folder = folder

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The folder of `BREAKEVEN_PAYLOAD_DIR`.

        Raises:
            PayloadMissingError: it is not set, or is no folder.
        """
        if settings.payload_dir is None:
            raise PayloadMissingError(
                "transport 'files' needs BREAKEVEN_PAYLOAD_DIR: a folder that workers share"
            )
        folder = Path(settings.payload_dir)
        if not folder.is_dir():
            raise PayloadMissingError(f"BREAKEVEN_PAYLOAD_DIR is {folder}, which is no folder here")
        return cls(folder)

    def put(self, key: str, payload: Payload) -> Reference:
        """Write the file whole, then give it its name, so that no reader sees half of it."""
        if isinstance(payload, str):
            return {"url": payload}
        path = self._path(key)
        part = path.with_suffix(".part")
        part.write_bytes(codec.as_bytes(payload))
        part.rename(path)
        return {"key": key, **codec.describe(payload)}

    def get(self, reference: Reference) -> Payload:
        """Read the file."""
        if "url" in reference:
            return str(reference["url"])
        try:
            raw = self._path(reference["key"]).read_bytes()
        except FileNotFoundError:
            raise PayloadMissingError(
                f"no payload file {reference['key']}: it was removed, or the folder differs"
            ) from None
        return codec.from_bytes(raw, reference)

    def delete(self, references: Iterable[Reference]) -> None:
        """Remove the files."""
        for reference in references:
            if "key" in reference:
                self._path(reference["key"]).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not SAFE_NAME.fullmatch(key):
            raise PayloadMissingError(f"{key!r} is no name of a payload")
        return self._folder / key
