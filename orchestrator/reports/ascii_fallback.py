"""Signs that an output's encoding lacks, spelled out: a report on an ASCII terminal is a report still."""

from __future__ import annotations

import codecs
import io
import sys
from typing import Final

NAME: Final = "breakeven-spelling"

SPELLED: Final = {
    "µ": "u",
    "±": "~",
    "\u00d7": "x",
    "\u2013": "-",
    "\u2212": "-",
    "…": "~",
    "│": "|",
    "─": "-",
    "┼": "+",
    "●": "o",
}
"""A sign of the reports to what stands for it, one character each so that columns stay in line."""


def install() -> None:
    """From now on standard output and standard error never fail for a sign that they cannot show."""
    codecs.register_error(NAME, spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=NAME)


def spelled(error: UnicodeError) -> tuple[str, int]:
    """What is written for the signs that could not be: ours as above, any other as a question mark.

    Raises:
        UnicodeError: it is not about writing.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(SPELLED.get(sign, "?") for sign in error.object[error.start : error.end]), error.end
