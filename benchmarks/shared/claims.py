"""The list of figures in docs/measurements/README.md, from the pages there and from what quotes them.

    python benchmarks/shared/claims.py    # `make docs` and `make figures` run it

A quote is a link with a figure in its text, such as `[4.3 ms](docs/measurements/hops.md#the-ledger)`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import ROOT, replace_figures

FOLDER: Final = Path("docs") / "measurements"
INDEX: Final = FOLDER / "README.md"
BEGIN: Final = re.compile(r"<!-- figures of (\w+) -->")
HEAD: Final = re.compile(
    r"`(?P<command>[^`]+)`, (?P<date>\d{4}-\d\d-\d\d), (?P<machine>.*?)(?P<trees>, worker .*)?:"
)
LINK: Final = re.compile(r"(?<!`)\[([^\]]*\d[^\]]*)\]\(([^)\s#]*measurements/[\w-]+\.md)(?:#([^)\s]*))?\)")
NUMBER: Final = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


@dataclass(frozen=True)
class Claim:
    """The figures of a script: where they stand, what the script said of its goal, and how they were measured."""

    page: str
    heading: str
    script: str
    met: bool | None
    text: str
    command: str = ""
    date: str = ""
    trees: str = ""


@dataclass(frozen=True)
class Quote:
    """A figure that a page quotes from `target`'s section `anchor`."""

    page: Path
    line: int
    text: str
    target: Path
    anchor: str
    sentence: str

    @property
    def numbers(self) -> list[str]:
        """Return the numbers in the link's text."""
        return NUMBER.findall(self.text)


def verdict_line(lines: Sequence[str]) -> tuple[bool | None, str]:
    """Return whether a script met its goal, and what it says of it; `None` and nothing if it has no goal."""
    for line in reversed(lines):
        for begin, met in (("Met: ", True), ("**Missed**: ", False)):
            if line.startswith(begin):
                return met, line.removeprefix(begin)
    return None, ""


def anchor_of(heading: str) -> str:
    """Return the name by which links find a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def figures(text: str) -> dict[str, str]:
    """Return the figures below each heading, up to the next one of its level or above, by the heading's anchor."""
    places = [
        (len(found[1]), found[2], found.end()) for found in re.finditer(r"^(#+) (.+)$", text, re.MULTILINE)
    ]
    found = {}
    for number, (level, heading, start) in enumerate(places):
        after = [place for place in places[number + 1 :] if place[0] <= level]
        end = text.rindex("\n#", 0, after[0][2]) if after else len(text)
        blocks = re.findall(r"<!-- figures of \w+ -->\n(.*?)<!-- end", text[start:end], re.DOTALL)
        found[anchor_of(heading)] = "\n".join(
            line for block in blocks for line in block.splitlines() if not HEAD.fullmatch(line)
        )
    return found


def claims(root: Path) -> Iterator[Claim]:
    """Yield the figures of every page, in the order of the pages."""
    for page in sorted((root / FOLDER).glob("*.md")):
        if page.name == INDEX.name:
            continue
        heading, script, block = "", "", []
        for line in page.read_text("utf-8").splitlines():
            begin = BEGIN.fullmatch(line)
            if begin:
                script, block = begin[1], []
            elif line == f"<!-- end of figures of {script} -->":
                yield _claim(page.name, heading, script, block)
                script = ""
            elif script:
                block.append(line)
            elif line.startswith("#"):
                heading = line.lstrip("# ")


def _claim(page: str, heading: str, script: str, block: Sequence[str]) -> Claim:
    head = next((found for line in block if (found := HEAD.fullmatch(line))), None)
    if head is None:
        return Claim(page, heading, script, None, "not measured")
    met, text = verdict_line(block)
    return Claim(
        page,
        heading,
        script,
        met,
        text or "no goal",
        head["command"],
        head["date"],
        (head["trees"] or "")[2:],
    )


def quotes(root: Path) -> Iterator[Quote]:
    """Yield the figures that README, CONTRIBUTING and docs quote from docs/measurements."""
    pages = [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]
    for page in pages:
        if page.parent == root / FOLDER:
            continue
        text = page.read_text("utf-8")
        for found in LINK.finditer(text):
            yield Quote(
                page.relative_to(root),
                text.count("\n", 0, found.start()) + 1,
                " ".join(found[1].split()),
                Path((page.parent / found[2]).resolve()).relative_to(root.resolve()),
                found[3] or "",
                _sentence(text, found.start(), found.end()),
            )


def wrong(root: Path, quote: Quote) -> str | None:
    """Return what is wrong with a quote, or `None` if its section has each of its numbers."""
    where = f"{quote.page}:{quote.line}: [{quote.text}]"
    target = root / quote.target
    if not target.exists():
        return f"{where}: there is no {quote.target}"
    section = figures(target.read_text("utf-8")).get(quote.anchor)
    if section is None:
        return f"{where}: {quote.target} has no section #{quote.anchor}"
    has = set(NUMBER.findall(section))
    missing = [number for number in quote.numbers if number not in has]
    if not missing:
        return None
    return f"{where}: {', '.join(missing)} is not among the figures of {quote.target}#{quote.anchor}"


def _sentence(text: str, start: int, end: int) -> str:
    """Return the sentence, list item or cell around a place, without its markup."""
    before = max(
        text.rfind(stop, 0, start) + len(stop) for stop in ("\n\n", ". ", ".\n", ".** ", "\n- ", "| ", ": ")
    )
    ends = [place for stop in ("\n\n", ". ", ".\n", "\n- ", " |") if (place := text.find(stop, end)) >= 0]
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text[before : min(ends, default=len(text))])
    return " ".join(plain.replace("*", "").split()).rstrip(".")


def index(root: Path) -> str:
    """Return both tables of docs/measurements/README.md."""
    lines = [
        "| what | goal and figure | met? | command | date | trees |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in claims(root):
        link = f"[{each.heading}]({each.page}#{anchor_of(each.heading)})"
        met = {True: "met", False: "**missed**", None: "–"}[each.met]
        command = f"`{each.command}`" if each.command else f"`{each.script}`"
        lines.append(f"| {link} | {each.text} | {met} | {command} | {each.date} | {each.trees} |")
    lines += ["", "Quoted elsewhere:", "", "| page | says | from |", "| --- | --- | --- |"]
    for quote in quotes(root):
        page = f"[{quote.page}](../../{quote.page})"
        lines.append(f"| {page} | {quote.sentence} | [{quote.text}]({quote.target.name}#{quote.anchor}) |")
    return "\n".join(lines)


def write_index(root: Path) -> None:
    """Write both tables into docs/measurements/README.md."""
    replace_figures(root / INDEX, "all", index(root))


if __name__ == "__main__":
    write_index(ROOT)
