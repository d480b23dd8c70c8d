"""What may be shown of text that came from outside: one line, printable, of bounded length, and no secret."""

from __future__ import annotations

import re

from worker.masking import MASK, mask_credentials

LONGEST = 2000
"""Characters of a message that are kept; one that is longer ends in an ellipsis."""

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,20}://\S+", re.IGNORECASE)
HTTP = re.compile(r"https?://", re.IGNORECASE)
LOGIN = re.compile(r"(?<=://)[^/?#\\]*@")
"""Who logs in, and how: all that stands before the last @ of a URL's authority."""

VALUE = re.compile(
    r"([?&;][^=&;#]*=)(?!(?:\d{1,9}|\{i\})(?:\.[a-z0-9]{1,9})?(?:[&;#]|$))[^&;#]*", re.IGNORECASE
)
"""A query parameter's value, unless it is a plain number (or the place where one goes), perhaps with a suffix."""


def redact(text: str) -> str:
    """The text as it may stand in a result, a report or a log: without secrets, printable, not too long."""
    if "://" not in text:
        return escape_control(text)
    # Made visible first: what a control character turns into may become a part of the address behind it.
    return escape_control(without_secrets("".join(map(_visible, text))))


def escape_control(text: str, longest: int = LONGEST) -> str:
    r"""The text in one line, with `\x1b` and its like for every character that cannot be seen.

    A terminal obeys control characters, marks for the direction of writing mislead a reader, a line break
    forges a line of its own, and half of a surrogate pair cannot be written at all. What is printable stays
    as it is, so doing this twice changes nothing.
    """
    if len(text) <= longest and text.isprintable():
        return text
    shown = "".join(map(_visible, text[: longest + 1]))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def without_secrets(text: str) -> str:
    """The text with every URL in it without its user and password, and without what its query says.

    Signed URLs carry their secret in the query; plain numbers in it tell pictures apart, and stay.
    """
    return ADDRESS.sub(lambda found: _address(found[0]), text)


def _address(address: str) -> str:
    if HTTP.match(address) is None:
        return mask_credentials(address)  # of a broker whatever stands before the last @ may be its password
    return VALUE.sub(rf"\g<1>{MASK}", LOGIN.sub(f"{MASK}@", address))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
