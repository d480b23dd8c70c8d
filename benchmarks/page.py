"""What the scripts here share: their options, and their figures as Markdown, also put into docs/verdicts.md.

A script's figures stand in the docs between two comments of its name, and only `--update-docs` writes them
there, so that a figure in the docs is always one that the command beside it printed.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.measurement.machine import environment

DOCS = Path(__file__).parents[1] / "docs" / "verdicts.md"


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that every script has; `description` is the script's docstring."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="few samples: shows that it works, proves nothing")
    made.add_argument(
        "--update-docs", action="store_true", help=f"put the figures into {DOCS.parent.name}/{DOCS.name}"
    )
    return made


class Page:
    """The lines that a script prints, kept for the docs."""

    def __init__(self, name: str, options: argparse.Namespace, document: Path = DOCS) -> None:
        """Begin with where and how it is measured.

        Args:
            name: the script's, and its place's in the docs.
            document: where the figures go.
            options: parsed; figures of a quick run are refused a place in the docs.
        """
        if options.update_docs and options.quick:
            sys.exit("--quick shows that the script works; the docs take figures of a full run alone")
        self._name = name
        self._document = document
        self._update = bool(options.update_docs)
        self._lines: list[str] = []
        cpu = environment(None, ()).cpu
        quick = " --quick" if options.quick else ""
        self.say(
            f"`python benchmarks/{name}.py{quick}`, {datetime.now(UTC):%Y-%m-%d}, {cpu.model}, "
            f"{cpu.usable} of {cpu.logical} processors, Python {sys.version.split()[0]}:"
        )
        self.say()

    def say(self, line: str = "") -> None:
        """Print a line of Markdown."""
        self._lines.append(line)
        print(line, flush=True)

    def row(self, *cells: str) -> None:
        """Print a row of a table."""
        self.say(f"| {' | '.join(cells)} |")

    def head(self, *cells: str) -> None:
        """Print a table's head: the first column is text, the others are figures."""
        self.row(*cells)
        self.row("---", *("---:" for _ in cells[1:]))

    def verdict(self, met: bool, text: str) -> int:
        """Print whether the goal was met, update the docs if asked to, and give the exit code."""
        self.say()
        self.say(f"{'Met' if met else '**Missed**'}: {text}")
        if self._update:
            text = replaced(self._document.read_text("utf-8"), self._name, "\n".join(self._lines))
            self._document.write_text(text, "utf-8")
        return int(not met)


def replaced(text: str, name: str, figures: str) -> str:
    """The docs with other figures between a script's two comments.

    Raises:
        SystemExit: the docs have no place for them.
    """
    begin, end = f"<!-- figures of {name} -->", f"<!-- end of figures of {name} -->"
    place = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    if len(place.findall(text)) != 1:
        sys.exit(f"{DOCS} has no single place for these figures: a line '{begin}', and below it '{end}'")
    return place.sub(lambda found: f"{found[1]}{figures}\n{found[2]}", text)
