"""A result file from anywhere is a run that every report can show, or is refused in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import TypeAdapter

from orchestrator import results
from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.queueing.prediction import HypotheticalFleet
from orchestrator.analysis.verdicts.regressions import compare
from orchestrator.commands.prediction import predictions
from orchestrator.errors import UsageError
from orchestrator.measurement.example_output import thumbnails
from orchestrator.model.runs import Run, Stations, TaskFailure
from orchestrator.reports import REPORTS
from orchestrator.reports.comparison import COMPARISON_REPORTS
from orchestrator.reports.prediction import as_document
from orchestrator.reports.prediction import render as render_prediction
from orchestrator.results import MAX_BYTES, MAX_VALUES
from tests.examples import example_run
from tests.fuzz.cases import fuzz
from tests.fuzz.corrupt_pictures import COLOURS
from tests.fuzz.values import corrupt
from tests.unit.reports.made_runs import every_run, scaled, swept


def whole() -> Run:
    """Return a run in which nothing is absent."""
    run = example_run()
    stations = Stations(0.001, 0.002, 0.01, 100_000, 8, 0.001)
    cells = tuple(
        replace(
            each,
            samples=tuple(
                replace(sample, stations=stations if each.cell.distributed else None)
                for sample in each.samples
            ),
            failures=(TaskFailure(3, "DecodeError", "broken picture: image file is truncated"),),
        )
        for each in run.cells
    )
    return replace(run, cells=cells, proof=thumbnails(COLOURS, COLOURS[..., 0], "celery"))


WHOLE = whole()
RUNS = {"whole": WHOLE, "scaled": scaled(), "swept": swept()}


def measured(run: Run) -> dict[str, Any]:
    """Return the part of a result file that is read back."""
    document = results.to_json(run)
    for concluded in ("verdicts", "noise_floor", "warnings"):
        del document[concluded]
    for cell in document["cells"]:
        for concluded in ("verified", "makespan_s", "throughput_per_s", "speedup", "speedup_versus_best"):
            del cell[concluded]
    return document


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """Draw a corrupt result; most keep their schema, without which nothing else would be read."""
    made = draw(corrupt(draw(st.sampled_from(DOCUMENTS)), json_only=True))
    return {**made, "schema": 1} if draw(st.integers(0, 9)) else made


DOCUMENTS = [measured(run) for run in RUNS.values()]
ROOT = Path(__file__).parents[2]
# Reads a result file with 1,200 MiB of memory beyond its own: twelve times the largest file.
CHILD = """
import resource, sys
from pathlib import Path
from orchestrator import results
from orchestrator.errors import UsageError

vms = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (vms + (1200 << 20),) * 2)
try:
    results.read(Path(sys.argv[1]))
except UsageError as error:
    print(error)
"""

FLEET = HypotheticalFleet(8, 0.001, 1e8, 2)


def read(content: bytes) -> Run | None:
    """Read a file of this content; return the run, or `None` after checking that the error is one line."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(content)
        file.flush()
        try:
            return results.read(Path(file.name))
        except UsageError as error:
            said = str(error)
        assert len(said) < 1000
        assert said.isprintable()
        assert file.name in said
        return None


def texts(run: Run, *names: str) -> Iterator[str]:
    findings = analyse(run)
    for name in names:
        yield REPORTS[name](run, findings)


def written_again(run: Run) -> Iterator[str]:
    text = results.dumps(run)
    json.loads(text, parse_constant=pytest.fail)
    again = read(text.encode())
    assert again == run
    yield text


def compared(run: Run) -> Iterator[str]:
    for before, after in ((run, WHOLE), (WHOLE, run), (run, run)):
        with suppress(UsageError):  # not the same work
            comparison = compare(before, after)
            yield from (render(comparison, before, after) for render in COMPARISON_REPORTS.values())


def predicted(run: Run) -> Iterator[str]:
    with suppress(UsageError):  # nothing to predict from
        found = predictions(run, FLEET, 50)
        yield json.dumps(as_document(found), allow_nan=False)
        yield render_prediction(found)


USES: dict[str, Callable[[Run], Iterable[str]]] = {
    "terminal": lambda run: texts(run, "terminal"),
    "markdown": lambda run: texts(run, "markdown"),
    "csv": lambda run: texts(run, "csv"),
    "written again": written_again,
    "compare": compared,
    "predict": predicted,
}


def use(run: Run, *names: str) -> None:
    """Render a report, and check that no text has a control character."""
    for name in names:
        for text in USES[name](run):
            assert {each for each in text if not each.isprintable()} <= {"\n", "\xa0"}


@fuzz(80, document=documents(), name=st.sampled_from(list(USES)))
def test_a_corrupt_result_is_read_or_refused_in_one_line(document: Any, name: str) -> None:
    run = read(json.dumps(document).encode())
    if run is not None:
        use(run, name)


@fuzz(8, document=documents())
def test_a_corrupt_result_makes_a_page_or_is_refused(document: Any) -> None:
    run = read(json.dumps(document).encode())
    if run is not None:
        REPORTS["html"](run, analyse(run))


TEXT = json.dumps(results.to_json(WHOLE)).encode()


@fuzz(60, data=st.data(), name=st.sampled_from(list(USES)))
def test_a_cut_or_altered_file_is_read_or_refused_in_one_line(data: st.DataObject, name: str) -> None:
    content = bytearray(TEXT)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    run = read(bytes(content[: data.draw(st.one_of(st.none(), st.integers(0, len(content))))]))
    if run is not None:
        use(run, name)


@pytest.mark.parametrize("name", every_run())
def test_the_examples_of_the_reports_can_be_read_unless_they_are_invalid(name: str) -> None:
    run = read(json.dumps(results.to_json(every_run()[name])).encode())
    assert run is not None
    use(run, *USES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"schema": 1, "cells": [], "plan": ' + b'{"a":' * 50 + b"1" + b"}" * 51, "nested too deeply"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "is not a result file"),
        (b'{"schema": 1e999}', "it has no schema number"),
        (b'{"schema": NaN}', "NaN is not a number"),
        (b'{"schema": -Infinity}', "-Infinity is not a number"),
        (b'{"schema": 1, "schema": 1}', "'schema' occurs twice"),
        (b'{"schema": true}', "not a whole result"),
        (b'{"schema": 1, "cells": {}}', "cells is not a list of objects"),
        (
            b'{"schema": 1, "cells": [' + b"{}," * 20_000 + b"{}]}",
            "cells has 20001 entries; at most 10000 are allowed",
        ),
        (b"[" + b"0," * MAX_VALUES + b"0]", "it has more than 5000000 values"),
        (b"\xff\xfe" + TEXT, "is not a result file"),
        (
            TEXT.replace(b'"makespan_s": 0.01,', b'"makespan_s": 0.0,', 1),
            "cells.0.samples.0.makespan_s: Input should be greater than or equal to 0.000000001, not 0.0",
        ),
        (
            TEXT.replace(b'"makespan_s": 0.01,', b'"makespan_s": "1",', 1),
            "samples.0.makespan_s: Input should be a valid number, not '1'",
        ),
        (TEXT.replace(b'"replica": 1', b'"replica": 0'), "a cell occurs twice"),
        (
            TEXT.replace(b'"before_png": "', b'"before_png": "!'),
            "proof.before_png: String should match pattern",
        ),
    ],
)
def test_a_hostile_file_is_refused_with_the_reason(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        results.read(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a device", "nothing", "a name that cannot be"])
def test_a_path_that_is_not_a_file_is_neither_read_nor_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "result.json"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path = Path("/dev/zero")
    elif kind == "a name that cannot be":
        path = Path("result\0.json")
    with pytest.raises(UsageError, match="cannot be read"):
        results.read(path)


def test_a_file_over_the_limit_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(UsageError, match="is over 100 MiB"):
        results.read(path)


@pytest.mark.parametrize(
    ("beginning", "piece", "end"),
    [
        (b"[", b"[],", b"[]]"),
        (b'{"schema": 1, "plan": {}, "cells": [{"samples": [', b"{},", b"{}]}]}"),
        (
            b'{"schema": 1, "plan": {}, "cells": [',
            b'{"samples": [{}, {}, {}, {}], "startup_s": 0, "failures": []},',
            b"{}]}",
        ),
        (b'{"schema": 1, "cells": [], "plan": {"arguments": [', b"1,", b"1]}}"),
        (b'{"schema": 1, "cells": [], "plan": {', b'"a": 0, "b": 0, ', b'"c": 0}}'),
    ],
)
def test_memory_is_bounded_for_any_repetition_in_a_file(
    tmp_path: Path, beginning: bytes, piece: bytes, end: bytes
) -> None:
    """As much of it as passes the first check, which is when most of it is parsed."""
    separators = sum(piece.count(sign) for sign in b",[{")
    content = beginning + piece * ((MAX_VALUES - 100) // separators) + end
    path = tmp_path / "result.json"
    path.write_bytes(content[:MAX_BYTES])
    command = [sys.executable, "-c", CHILD, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert str(path) in done.stdout


def test_every_value_of_a_run_is_limited() -> None:
    """Every number has a range, every text and list a length, new fields included."""
    schema = TypeAdapter(Run).json_schema()
    limits = {
        "integer": {"minimum", "maximum"},
        "number": {"minimum", "maximum"},
        "string": {"maxLength"},
        "array": {"maxItems"},
        "object": {"maxProperties"},
    }

    def unlimited(place: str, part: Any) -> Iterator[str]:
        if "enum" in part or "const" in part or "$ref" in part:
            return
        for name, field in part.get("properties", {}).items():
            yield from unlimited(f"{place}.{name}", field)
        for each in (*part.get("anyOf", ()), *filter(None, [part.get("items"), part.get("propertyNames")])):
            yield from unlimited(place, each)
        if "properties" not in part and limits.get(part.get("type"), set()) - part.keys():
            yield place

    parts = {**schema["$defs"], "Run": schema}
    assert [each for name, part in parts.items() for each in unlimited(name, part)] == []
