"""Text from a run as it may stand in another language, where some of its characters would do something."""

from __future__ import annotations

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""

MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~&])")
REFERS = re.compile(r"([@#])(?=\w)")
"""GitHub tells whoever is named, and links what is numbered, wherever it stands but in code or beside a comment."""


def in_markdown(text: str) -> str:
    """The text in a paragraph or a table's cell: no markup, no HTML, no line or cell of its own."""
    return REFERS.sub(r"\1<!-- -->", MARKDOWN.sub(r"\\\1", _in_one_line(text)))


def in_code(text: str) -> str:
    """The text as a span of code, which only a backtick could end."""
    return f"`{_in_one_line(text).replace('`', chr(39))}`"


def in_csv(value: object) -> object:
    """The value of a cell; a text that a spreadsheet would compute stands behind an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
