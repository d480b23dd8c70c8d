"""How a command's help names its files: `OLD NEW`, as a shell's manual does, and not Typer's `{OLD} <str>`."""

from __future__ import annotations

import re
from typing import Any, Final

from typer.core import TyperCommand

TYPE: Final = re.compile(r"^(  [A-Z]+) <str>", re.MULTILINE)
"""An argument's name in a list of them, with the type that Typer puts after it."""


class Manual(TyperCommand):
    """A command whose usage line and list of arguments have the arguments' own names alone."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The parts of the usage line, without braces about what is required."""
        return [re.sub(r"^\{(.*)\}$", r"\1", piece) for piece in super().collect_usage_pieces(ctx)]

    def get_help(self, ctx: Any) -> str:
        """The help; where a type stood there is space, so that columns stay in line."""
        return TYPE.sub(lambda found: f"{found[1]}{' ' * len(' <str>')}", super().get_help(ctx))
