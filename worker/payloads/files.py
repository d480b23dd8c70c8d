"""Files: the message carries a name, the bytes are in a folder that both sides share."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from worker.contract import Payload, Pixels
from worker.payloads import codec
from worker.payloads.transport import PayloadMissingError, Reference, Transport
from worker.settings import Settings

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,200}")


class Files(Transport):
    """Stores one file a payload in a flat folder, which must exist.

    Neither a name from a message nor a process that can write to the folder leads out of it: links are not followed,
    pipes are not waited for, and a file of another size than its reference has is not read.
    """

    summary: ClassVar[str] = "the message carries a name, the bytes are in a folder that workers share"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Use the folder of `BREAKEVEN_PAYLOAD_DIR`, or raise `PayloadMissingError`."""
        if settings.payload_dir is None:
            raise PayloadMissingError(
                "transport 'files' needs BREAKEVEN_PAYLOAD_DIR: a folder that workers share"
            )
        folder = Path(settings.payload_dir)
        if not folder.is_dir():
            raise PayloadMissingError(f"BREAKEVEN_PAYLOAD_DIR is {folder}, which is not a folder here")
        return cls(folder)

    def _put(self, key: str, payload: bytes | Pixels) -> Reference:
        """Write a part file, then rename it, so that readers see the whole payload or none."""
        path = self._path(key)
        part = path.with_name(f"{key}.{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as file:  # exclusive: follows no link
                file.write(codec.as_bytes(payload))
            part.rename(path)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        return {"key": key, **codec.layout(payload)}

    def _get(self, reference: Reference) -> Payload:
        path = self._path(reference.get("key"))
        try:
            raw = _read(path, reference.get("size"))
        except FileNotFoundError:
            raise PayloadMissingError(
                f"no payload file {path.name}: it was removed, or the folder differs"
            ) from None
        return codec.from_bytes(raw, reference)

    def delete(self, references: Iterable[Reference]) -> None:
        """Remove the files of references."""
        for reference in references:
            if "key" in reference:
                self._path(reference["key"]).unlink(missing_ok=True)

    def _path(self, key: object) -> Path:
        if not isinstance(key, str) or not SAFE_NAME.fullmatch(key):
            raise PayloadMissingError(f"{key!r:.80} is not the name of a payload")
        return self._folder / key


def _read(path: Path, size: object) -> bytes:
    """Read a regular file of that size."""
    try:
        # Without waiting: opening a pipe would block until a process writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, or a socket
            raise PayloadMissingError(f"{path.name} is not a file") from None
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise PayloadMissingError(f"{path.name} is not a file")
        if found.st_size != size:
            raise PayloadMissingError(f"payload of {found.st_size} bytes where {size!r:.80} were stored")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(found.st_size)
    finally:
        os.close(descriptor)
