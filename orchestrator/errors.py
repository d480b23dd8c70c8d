"""The errors that a user can meet, and the exit code each ends with.

    BreakevenError
    ├── UsageError       exit 2   an option, file or name that makes no sense
    ├── UnavailableError exit 3   something needed is not there
    └── NothingMeasuredError exit 130  interrupted before there was anything to keep

Each message says what failed, with what value, and what to do. The command line alone turns them into
exit codes; everything below it only raises.
"""

from __future__ import annotations

from typing import ClassVar, Final

INTERRUPTED: Final = 130
"""What a shell gives for a command that Ctrl-C ended."""


class BreakevenError(Exception):
    """Something a user can mend; the message says how."""

    exit_code: ClassVar[int] = 1


class UsageError(BreakevenError):
    """An option, a file or a name that makes no sense."""

    exit_code = 2


class UnavailableError(BreakevenError):
    """A broker, worker, source or program that is needed is not there."""

    exit_code = 3


class NothingMeasuredError(BreakevenError):
    """A run was interrupted before there was anything to keep."""

    exit_code = INTERRUPTED
