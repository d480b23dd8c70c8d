"""What the scripts share: their options, and their figures as Markdown in `docs/measurements/`.

The figures of a script stand between two comments with its name. Only `--update-docs` writes them, so every
figure in the docs was printed by the command above it, by the code whose trees stand beside it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from orchestrator.measurement.machine import environment

ROOT: Final = Path(__file__).parents[2]
MEASUREMENTS: Final = ROOT / "docs" / "measurements"
TREES: Final = (
    "worker",
    "orchestrator",
    "benchmarks",
)  # what figures depend on; committing docs changes none


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that every script has; `description` is the docstring of the script."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="few samples: shows that it works, proves nothing")
    made.add_argument("--update-docs", action="store_true", help="write the figures into docs/measurements/")
    return made


class Page:
    """The lines that a script prints, kept for the docs."""

    def __init__(self, script: str, options: argparse.Namespace) -> None:
        """Begin with where and how it is measured.

        Args:
            script: the `__file__` of the script.
            options: parsed; figures of a quick run do not go into the docs.

        Raises:
            SystemExit: no page of `docs/measurements/` has a place for the figures, or several have.
        """
        if options.update_docs and options.quick:
            sys.exit(
                "--update-docs needs a full run: leave out --quick, which only shows that the script works"
            )
        self._name = Path(script).stem
        self._document = document_of(self._name)
        self._update = bool(options.update_docs)
        self._lines: list[str] = []
        cpu = environment().cpu
        self.say(
            f"`{command(script)}`, {datetime.now(UTC):%Y-%m-%d}, {cpu.model}, {cpu.usable:g} of {cpu.logical} "
            f"processors, Python {sys.version.split()[0]}, {measured_trees()}:"
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
        """Print whether the goal was met, update the docs if asked to, and return the exit code."""
        self.say()
        self.say(f"{'Met' if met else '**Missed**'}: {text}")
        self.end()
        return int(not met)

    def end(self) -> int:
        """Update the docs if asked to; return 0, the exit code of figures that have no goal."""
        if self._update:
            replace_figures(self._document, self._name, "\n".join(self._lines))
        return 0

    def verdict_on_predictions(
        self, errors: Sequence[float], covered: Sequence[bool], largest_median: float, fewest_covered: float
    ) -> int:
        """Print how far predictions were off and how many intervals held, as `verdict` does."""
        middle = median(map(abs, errors))
        return self.verdict(
            middle <= largest_median and sum(covered) >= fewest_covered * len(covered),
            f"median absolute error {middle:.1%} (at most {largest_median:.0%}), "
            f"{sum(covered)} of {len(covered)} within the interval (at least {fewest_covered:.0%}).",
        )


def command(script: str) -> str:
    """Return the command that prints these figures again, given the script's `__file__`."""
    arguments = [each for each in sys.argv[1:] if each != "--update-docs"]
    return shlex.join(["python", str(Path(script).resolve().relative_to(ROOT)), *arguments])


def trees(root: Path) -> dict[str, str]:
    """Return the short hashes of the folders that figures depend on, as the last commit has them.

    Raises:
        CalledProcessError: `root` is not in a Git repository, or a folder is in no commit.
    """
    return {each: _git(root, "rev-parse", f"HEAD:{each}")[:8] for each in TREES}


def changed(root: Path) -> list[str]:
    """Return the files in these folders that differ from the last commit, as `git status` lists them."""
    return _git(root, "status", "--porcelain", "--", *TREES).splitlines()


def measured_trees() -> str:
    """Return what was measured: the trees, and whether files in them were changed."""
    try:
        found = ", ".join(f"{each} {tree}" for each, tree in trees(ROOT).items())
        return f"{found}, with uncommitted changes" if changed(ROOT) else found
    except (OSError, subprocess.CalledProcessError):
        return "of no commit"


def document_of(name: str) -> Path:
    """Return the page of `docs/measurements/` that shows the figures of a script.

    Raises:
        SystemExit: not exactly one page has a place for them.
    """
    begin = _comments(name)[0]
    found = [page for page in MEASUREMENTS.glob("*.md") if begin in page.read_text("utf-8")]
    if len(found) != 1:
        sys.exit(
            f"expected the line '{begin}' on one page of docs/measurements/, found it on {len(found)}; add it"
        )
    return found[0]


def replace_figures(document: Path, name: str, figures: str) -> None:
    """Write other figures between the two comments of a script.

    Raises:
        SystemExit: the document does not have the two comments exactly once.
    """
    begin, end = _comments(name)
    place = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    with document.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two scripts that run beside each other may have one page
        text, found = place.subn(lambda match: f"{match[1]}{figures}\n{match[2]}", file.read())
        if found != 1:
            sys.exit(
                f"{document}: expected the lines '{begin}' and '{end}' once, found them {found} times; add them"
            )
        file.seek(0)
        file.write(text)
        file.truncate()


def _comments(name: str) -> tuple[str, str]:
    return f"<!-- figures of {name} -->", f"<!-- end of figures of {name} -->"


def _git(root: Path, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 - the user's own
        cwd=root,
        env=kept,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.rstrip("\n")
