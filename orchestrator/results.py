"""The result file, schema 2: a run to JSON and back; conclusions are written for readers, and never read back.

A file may come from anywhere, so the model's types limit every value; size and depth are limited before that."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import stat
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from orchestrator.analysis.analyse import Findings, analyse
from orchestrator.errors import UnavailableError, UsageError
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import DEFAULT_POOL, MAX_CELLS, CellResult, Run
from orchestrator.phrases.granularity import GranularityText, granularity_text
from orchestrator.phrases.headline import AnswerText, answer_text
from orchestrator.phrases.load import LoadText, load_text
from orchestrator.phrases.verdicts import VerdictText, verdict_text
from orchestrator.phrases.warnings import WarningText, warning_text
from orchestrator.strategies import STRATEGIES
from worker.redaction import redact

T = TypeVar("T")

SCHEMA: Final = 2
FOLDER: Final = Path("results")  # where results are by default
NAMES: Final = "[0-9]*T[0-9]*Z-*.json"  # of result files; in alphabetical order the newest is last
DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

MAX_BYTES: Final = 100 << 20  # a result of a thousand rounds of a hundred cells is smaller
MAX_VALUES: Final = 5_000_000  # counted by commas and brackets, before each takes a hundred bytes of memory
MAX_NAMES: Final = 10_000  # different names of fields; equal ones share their memory
MAX_ENTRIES: Final = 100_000  # of any list or object
MAX_DEPTH: Final = 12
NUMBERS: Final = re.compile(
    r"\[\n\s+(?:[-\d.e+]+|null)(?:,\n\s+(?:[-\d.e+]+|null))*+\n\s+\]"
)  # a list of numbers; no string has line breaks
STRING: Final = re.compile(
    rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"(\s*:)?)?', re.DOTALL
)  # and whether it is a name


def file_name(run: Run) -> str:
    """Return the name of a run's result file: its start to the second, and its id."""
    stamp = run.started_at.replace("-", "").replace(":", "").split(".")[0].rstrip("Z")
    return f"{stamp}Z-{run.id}.json"


def read(path: Path) -> Run:
    """Return the run in a result file."""
    try:
        content = _content(path)
    except OSError as error:
        raise UsageError(_unreadable(path, error)) from None
    except ValueError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error}") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path} is over {MAX_BYTES >> 20} MiB: no result of ours is that large")
    try:
        document = _parsed(content)
    except ValueError as error:
        raise UsageError(_malformed(path, content, error)) from None
    try:
        return from_json(document)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def from_json(document: Any) -> Run:
    """Return the run in the content of a result file, without the conclusions there."""
    if not isinstance(document, dict) or not isinstance(document.get("schema"), int):
        raise UsageError("not a result of Breakeven: it has no schema number")
    if not 1 <= document["schema"] <= SCHEMA:
        raise UsageError(
            f"a result of schema {document['schema']}, and this release reads up to {SCHEMA}: use a newer release"
        )
    rows, plan = document.get("cells"), document.get("plan")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError("not a whole result: cells is not a list of objects")
    if len(rows) > MAX_CELLS:
        raise UsageError(
            f"not a whole result: cells has {len(rows)} entries; at most {MAX_CELLS} are allowed"
        )
    # The first wrong cell ends it: a file that is wrong throughout would fill the memory with errors.
    cells = tuple(
        _valid(_cell_adapter(), _cell_from_json(row), "cells", index) for index, row in enumerate(rows)
    )
    if len({each.cell for each in cells}) < len(cells):
        raise UsageError("not a whole result: a cell occurs twice")
    plan = {**plan, "cells": ()} if isinstance(plan, dict) else plan
    run = _valid(_run_adapter(), {**document, "plan": plan, "cells": ()})
    return replace(run, cells=cells, plan=replace(run.plan, cells=tuple(each.cell for each in cells)))


def to_json(run: Run, findings: Findings | None = None) -> dict[str, Any]:
    """Return the content of the result file: what was measured, and the findings."""
    found = analyse(run) if findings is None else findings
    document: dict[str, Any] = {"schema": SCHEMA}
    for field in fields(run):
        if field.name not in ("schema", "cells"):
            document[field.name] = _plain(getattr(run, field.name))
    document["plan"]["cells"] = len(run.plan.cells)
    document["cells"] = [_cell_to_json(result, found) for result in run.cells]
    document["answer"] = _plain(answer_text(found))
    document["verdicts"] = [_plain(verdict_text(verdict)) for verdict in found.verdicts]
    document["load"] = [_plain(load_text(row, run)) for row in found.load]
    document["granularity"] = [_plain(granularity_text(each)) for each in found.granularities]
    document["noise_floor"] = _plain(found.noise_floor)
    document["warnings"] = [_plain(warning_text(warning)) for warning in found.warnings]
    return document


def write(run: Run, path: Path, findings: Findings | None = None) -> None:
    """Write the result file, renamed into place so that a reader never sees half of it."""
    text = dumps(run, findings)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        make_folder(path.parent)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        reason = f"the result cannot be written to {path}: {os.strerror(error.errno or 0)}"
        if error.errno in DISK_FULL:
            raise UnavailableError(f"{reason}; free some space there, or choose another --output") from None
        raise UsageError(f"{reason}; choose another --output") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; in another user's folder, so that this user can delete what is in it.

    In a container we are another user than the one who owns `results/` on the host.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if not missing:
        return
    above = missing[-1].parent.stat()
    if above.st_uid != os.getuid() and not above.st_mode & stat.S_ISVTX:
        for each in missing:
            each.chmod(0o777)


def dumps(run: Run, findings: Findings | None = None) -> str:
    """Return the text of the result file."""
    text = json.dumps(to_json(run, findings), indent=1, allow_nan=False)
    return NUMBERS.sub(lambda found: re.sub(r"\s+", "", found[0]), text) + "\n"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a result file: measurements in full, conclusions in outline."""
    schema = _run_adapter().json_schema(ref_template="#/$defs/{model}")
    defs, properties = schema["$defs"], schema["properties"]
    estimate = TypeAdapter(Estimate | None).json_schema(ref_template="#/$defs/{model}")
    defs.update(estimate.pop("$defs"))
    kinds: dict[str, Any] = {
        "Answer": AnswerText,
        "Granularity": GranularityText,
        "LatencyUnderLoad": LoadText,
        "Verdict": VerdictText,
        "Warning": WarningText,
    }
    for name, kind in kinds.items():
        made = TypeAdapter(kind).json_schema(ref_template="#/$defs/{model}")
        defs.update(made.pop("$defs", {}))
        defs[name] = made
    result = defs["CellResult"]["properties"]
    # In the file a cell's own fields stand beside the rest, and all samples are in one list.
    apart = ("cell", "disturbed", "open_loops")
    cell = {
        **defs["Cell"]["properties"],
        **{name: each for name, each in result.items() if name not in apart},
    }
    speedup = {"anyOf": [{"type": "object", "properties": {"versus": {"type": "string"}}}, {"type": "null"}]}
    concluded = {
        "verified": {"type": ["boolean", "null"]},
        "makespan_s": estimate,
        "throughput_per_s": estimate,
        "speedup": speedup,
        "speedup_versus_best": speedup,
    }
    defs["CellResult"] = {
        "type": "object",
        "properties": {**cell, **concluded},
        "required": [*cell, *concluded],
    }
    defs["Plan"]["properties"]["cells"] = {"type": "integer"}
    properties["schema"] = {"const": SCHEMA}
    properties["answer"] = {"$ref": "#/$defs/Answer"}
    properties["verdicts"] = {"type": "array", "items": {"$ref": "#/$defs/Verdict"}}
    properties["granularity"] = {"type": "array", "items": {"$ref": "#/$defs/Granularity"}}
    properties["load"] = {"type": "array", "items": {"$ref": "#/$defs/LatencyUnderLoad"}}
    properties["noise_floor"] = estimate
    properties["warnings"] = {"type": "array", "items": {"$ref": "#/$defs/Warning"}}
    schema["required"] = sorted(properties)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A result of Breakeven",
        "description": "Times are seconds, sizes bytes. Readers accept every older schema number.",
        **{name: each for name, each in schema.items() if name not in ("title", "description")},
    }


@cache
def _run_adapter() -> TypeAdapter[Run]:
    return TypeAdapter(Run)


@cache
def _cell_adapter() -> TypeAdapter[CellResult]:
    return TypeAdapter(CellResult)


def _valid(adapter: TypeAdapter[T], value: Any, *where: str | int) -> T:
    """The value as the model has it; an error names the first field that is wrong."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(map(str, (*where, *first["loc"])))
    given = first["input"]
    shown = "" if isinstance(given, dict | list) else f", not {given!r:.40}"
    raise UsageError(f"not a whole result: {redact(field)[:200]}: {first['msg']}{redact(shown)}")


def _cell_to_json(result: CellResult, findings: Findings) -> dict[str, Any]:
    makespan = findings.makespans.get(result.cell)
    return {
        **asdict(result.cell),
        "startup_s": result.startup_s,
        "verified": result.verified,
        "samples": [_plain(sample) for sample in result.taken],
        "makespan_s": _plain(makespan),
        "throughput_per_s": _plain(findings.throughputs.get(result.cell)),
        "speedup": _speedup("serial", findings.versus_serial.get(result.cell)),
        "speedup_versus_best": _speedup("best in-process", findings.versus_best.get(result.cell)),
        "failures": [_plain(failure) for failure in result.failures],
    }


def _cell_from_json(row: dict[str, Any]) -> dict[str, Any]:
    samples = row.get("samples")
    kind = STRATEGIES.get(str(row.get("strategy")))
    if kind is not None and kind.distributed and "pool" not in row:
        row = {**row, "pool": DEFAULT_POOL}  # schema 1 did not say it
    result = {"cell": row, "samples": samples, "failures": row.get("failures")}
    if "startup_s" in row:
        result["startup_s"] = row["startup_s"]
    if isinstance(samples, list):
        fields_ = [_field_of(each) for each in samples]
        for name in ("samples", "disturbed", "open_loops"):
            result[name] = [each for each, field in zip(samples, fields_, strict=True) if field == name]
    return result


def _field_of(sample: Any) -> str:
    """Return the field of `CellResult` that takes a sample."""
    if not isinstance(sample, dict):
        return "samples"
    if sample.get("trace") is not None:
        return "open_loops"
    return "disturbed" if sample.get("disturbed") is not None else "samples"


def _speedup(versus: str, estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else {"versus": versus, **asdict(estimate)}


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _content(path: Path) -> bytes:
    """The bytes of a regular file, up to one more than allowed."""
    # Not blocking: a pipe without a writer would wait for one.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file; save it to one first")
        return file.read(MAX_BYTES + 1)


def _parsed(content: bytes) -> Any:
    """The document in a file's bytes, if it is sound JSON, and neither too large nor too deep."""
    if sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ValueError(f"it has more than {MAX_VALUES} values")
    names: set[bytes] = set()
    for string in STRING.finditer(content) if content.count(b":") > MAX_ENTRIES else ():
        if string[2]:
            names.add(string[1])
        if len(names) > MAX_NAMES:
            raise ValueError(f"it has more than {MAX_NAMES} different names of fields")
    try:
        document = json.loads(content.decode("utf-8"), parse_constant=_refuse_nan, object_pairs_hook=_unique)
        _check_size(document, 0)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return document


def _check_size(value: Any, depth: int) -> None:
    if not isinstance(value, dict | list):
        return
    if depth >= MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if len(value) > MAX_ENTRIES:
        raise ValueError(f"a list in it has {len(value)} entries; at most {MAX_ENTRIES} are allowed")
    for each in value.values() if isinstance(value, dict) else value:
        _check_size(each, depth + 1)


def _refuse_nan(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"{redact(names.most_common(1)[0][0])[:80]!r} occurs twice in an object")
    return made


def _unreadable(path: Path, error: OSError) -> str:
    reason = f"{path} cannot be read: {os.strerror(error.errno or 0)}"
    for folder in (path if path.is_dir() else path.parent, FOLDER):
        names = [file.name for file in folder.glob(NAMES)]
        if names:
            return f"{reason}; the newest result is {folder / max(names)}"
    return reason


def _malformed(path: Path, content: bytes, error: ValueError) -> str:
    reason = f"{path} is not a result file"
    start = content[:200].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return (
            f"{reason}: it is the page that a run writes beside its result; give {path.with_suffix('.json')}"
        )
    if start.startswith(b"{") and isinstance(error, json.JSONDecodeError):
        return f"{reason}: it is cut off or damaged at line {error.lineno}; copy it again from the original"
    return f"{reason}: {error}"
