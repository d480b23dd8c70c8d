"""The errors that users see, and the exit code of each.

    BreakevenError
    ├── UsageError       exit 2   an option, file or name makes no sense
    ├── UnavailableError exit 3   something that is needed is not there
    └── NothingMeasuredError exit 130  interrupted before the first sample

Each message says what failed, with what value, and what to do. Only the command line turns them into exit codes.
"""

from __future__ import annotations

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
