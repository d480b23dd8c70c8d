"""Run <-> JSON: the result file, schema 1. What was concluded is written for readers, and never read back."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.stats.intervals import throughput
from orchestrator.errors import UnavailableError, UsageError
from orchestrator.model.findings import Estimate, Findings, Verdict
from orchestrator.model.findings import Warning as Caution
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.no_result import malformed, unreadable
from orchestrator.result_checks import MAX_BYTES, checked, content_of, parsed

SCHEMA = 1

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A disk, a quota or a limit that is used up."""


def file_name(run: Run) -> str:
    """The name of a run's result file: when it started, to the second, and which run it is."""
    stamp = run.started_at.replace("-", "").replace(":", "").split(".")[0].rstrip("Z")
    return f"{stamp}Z-{run.id}.json"


def to_json(run: Run, findings: Findings | None = None) -> dict[str, Any]:
    """The result file's content: what was measured, and what follows from it."""
    found = analyse(run) if findings is None else findings
    document: dict[str, Any] = {"schema": SCHEMA}
    for field in fields(run):
        if field.name not in ("schema", "cells"):
            document[field.name] = _plain(getattr(run, field.name))
    document["plan"]["cells"] = len(run.plan.cells)
    document["cells"] = [_cell_to_json(result, found) for result in run.cells]
    document["verdicts"] = [_plain(verdict) for verdict in found.verdicts]
    document["noise_floor"] = _plain(found.noise_floor)
    document["warnings"] = [_plain(warning) for warning in found.warnings]
    return document


def from_json(document: Any) -> Run:
    """The run that a result file holds; whatever was concluded in it is left aside.

    Raises:
        UsageError: it is no result of ours, or of a schema from the future.
    """
    if not isinstance(document, dict) or not isinstance(document.get("schema"), int):
        raise UsageError("not a result of Breakeven: it has no schema number")
    if not 1 <= document["schema"] <= SCHEMA:
        raise UsageError(
            f"a result of schema {document['schema']}, and this release reads up to {SCHEMA}: use a newer release"
        )
    where: tuple[str | int, ...] = ()
    try:
        measured = checked(_measured(document))
        cells = []
        for number, cell in enumerate(measured["cells"]):
            # One by one: of a file that is wrong all over, the first wrong cell is enough to know of.
            where = ("cells", number)
            cells.append(_cell_adapter().validate_python(_cell_from_json(cell)))
        where = ()
        if len({each.cell for each in cells}) < len(cells):
            raise UsageError("not a whole result: a cell is in it twice")
        plan = {**measured["plan"], "cells": tuple(each.cell for each in cells)}
        return _run_adapter().validate_python({**measured, "plan": plan, "cells": tuple(cells)})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        named = ".".join(map(str, (*where, *first["loc"])))
        raise UsageError(f"not a whole result: {named}: {first['msg']}") from None
    except ValueError as error:
        raise UsageError(f"not a whole result: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"not a whole result: {type(error).__name__}: {error}") from None


def write(run: Run, path: Path, findings: Findings | None = None) -> None:
    """Write the result file whole, then rename it into place; a reader never sees half of it.

    Raises:
        UsageError: the folder cannot be written to.
        UnavailableError: there is no room left in it.
    """
    text = dumps(run, findings)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        reason = f"the result cannot be written to {path}: {os.strerror(error.errno or 0)}"
        if error.errno in NO_ROOM:
            raise UnavailableError(f"{reason}; make room there, or choose another --output") from None
        raise UsageError(f"{reason}; choose another --output") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def dumps(run: Run, findings: Findings | None = None) -> str:
    """The result file's text."""
    return json.dumps(to_json(run, findings), indent=1, allow_nan=False) + "\n"


def read(path: Path) -> Run:
    """The run in a result file.

    Raises:
        UsageError: there is no such file, or it is no result.
    """
    try:
        content = content_of(path)
    except OSError as error:
        raise UsageError(unreadable(path, error)) from None
    except ValueError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error}") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path} is over {MAX_BYTES >> 20} MiB: no result of ours is that large")
    try:
        document = parsed(content)
    except ValueError as error:
        raise UsageError(malformed(path, content, error)) from None
    try:
        return from_json(document)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a result file: what was measured in full, what was concluded by its outline."""
    schema = _run_adapter().json_schema(ref_template="#/$defs/{model}")
    defs, properties = schema["$defs"], schema["properties"]
    estimate = TypeAdapter(Estimate | None).json_schema(ref_template="#/$defs/{model}")
    defs.update(estimate.pop("$defs"))
    kinds: dict[str, Any] = {"Verdict": Verdict, "Warning": Caution}
    for name, kind in kinds.items():
        made = TypeAdapter(kind).json_schema(ref_template="#/$defs/{model}")
        defs.update(made.pop("$defs", {}))
        defs[name] = made
    result = defs["CellResult"]["properties"]
    apart = (
        "cell",
        "disturbed",
    )  # a cell's own fields lie beside the rest, disturbed samples among the others
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
    properties["verdicts"] = {"type": "array", "items": {"$ref": "#/$defs/Verdict"}}
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


def _measured(document: dict[str, Any]) -> dict[str, Any]:
    """The part of a result file that is read back: what was measured, and nothing that was concluded."""
    names = {field.name for field in fields(Run)}
    parts = {field.name for kind in (Cell, CellResult) for field in fields(kind)}
    cells = document["cells"]
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise ValueError("cells are no list of objects")
    return {
        **{name: value for name, value in document.items() if name in names},
        "cells": [{name: value for name, value in cell.items() if name in parts} for cell in cells],
    }


def _cell_to_json(result: CellResult, findings: Findings) -> dict[str, Any]:
    makespan = findings.makespans.get(result.cell)
    return {
        **asdict(result.cell),
        "startup_s": result.startup_s,
        "verified": result.verified,
        "samples": [_plain(sample) for sample in result.taken],
        "makespan_s": _plain(makespan),
        "throughput_per_s": _plain(throughput(result)),
        "speedup": _speedup("serial", findings.versus_serial.get(result.cell)),
        "speedup_versus_best": _speedup("best in-process", findings.versus_best.get(result.cell)),
        "failures": [_plain(failure) for failure in result.failures],
    }


def _cell_from_json(document: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(Cell)}
    samples = document["samples"]
    return {
        "cell": {name: value for name, value in document.items() if name in names},
        "startup_s": document["startup_s"],
        "samples": [sample for sample in samples if sample.get("disturbed") is None],
        "disturbed": [sample for sample in samples if sample.get("disturbed") is not None],
        "failures": document["failures"],
    }


def _speedup(versus: str, estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else {"versus": versus, **asdict(estimate)}


def _plain(value: Any) -> Any:
    """Dataclasses and tuples as JSON's own kinds."""
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
