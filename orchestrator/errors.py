"""The errors that users see: what failed, with what value, what to do. Only the command line exits with their codes."""

from __future__ import annotations

import os
import sys
from typing import ClassVar, Final

INTERRUPTED: Final = 130  # the exit code that a shell reports for a command ended by Ctrl-C


class BreakevenError(Exception):
    """Something that a user can solve; the message says how."""

    exit_code: ClassVar[int] = 1


class UsageError(BreakevenError):
    """An option, a file or a name makes no sense."""

    exit_code = 2


class UnavailableError(BreakevenError):
    """A broker, worker, source or program that is needed is not there."""

    exit_code = 3


class NothingMeasuredError(BreakevenError):
    """A run was interrupted before it had a sample."""

    exit_code = INTERRUPTED


def flush_output(raised: OSError | None = None) -> None:
    """Write what standard output still holds; drop it if that is impossible, or was, as `raised` says.

    Raises:
        UnavailableError: it could not be written.
    """
    try:
        if raised is not None:
            raise raised
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise UnavailableError(
            f"standard output cannot be written to: {error.strerror}; send it to a terminal, or to a file with room"
        ) from None
