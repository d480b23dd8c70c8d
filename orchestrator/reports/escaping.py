"""Text of a run, made safe for formats in which some of its characters mean something."""

from __future__ import annotations

import re
from typing import Final

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # begins a formula in a spreadsheet
MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>|~&])")
REFERENCE: Final = re.compile(r"([@#])(?=\w)")  # GitHub notifies people and links issues, except in code


def in_markdown(text: str) -> str:
    """Return the text for a paragraph or table cell: no markup, no HTML, no new line or cell."""
    return REFERENCE.sub(r"\1<!-- -->", MARKUP.sub(r"\\\1", _in_one_line(text)))


def in_code(text: str) -> str:
    """Return the text as a span of code, which only a backtick could end."""
    return f"`{_in_one_line(text).replace('`', chr(39))}`"


def in_csv(value: object) -> object:
    """Return the value of a CSV cell; a text that a spreadsheet would compute gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
