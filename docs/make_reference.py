"""Write docs/reference/commands.md and docs/result.schema.json from the code: `make docs`.

A test compares both with the code, so they cannot fall behind.
"""

from __future__ import annotations

import json
from pathlib import Path

import typer.main

from orchestrator.cli import app
from orchestrator.results import json_schema

HERE = Path(__file__).parent
HEAD = """# Commands

Every command and option, as `orchestrator COMMAND --help` shows them. `make docs` writes this page.

| exit code | meaning |
| ---: | --- |
| 0 | done |
| 1 | done, but with wrong outputs, failed or lost tasks, a row without a figure, a missed promise or a regression |
| 2 | an option or file is invalid; the message says what is allowed |
| 3 | a broker, worker or source is missing; the message says what to do |
| 130 | interrupted; what was measured is saved and reported |
"""


def commands() -> str:
    """Return the page of every command and option, as Markdown."""
    group = typer.main.get_command(app)
    parts = [HEAD]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        parts.append(f"\n## orchestrator {name}\n\n{(command.help or '').strip()}\n")
        rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            parts.append(
                "\n| option | default | what it does |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
            )
    return "".join(parts)


def _row(parameter: object) -> str:
    names = ", ".join(f"`{name}`" for name in getattr(parameter, "opts", []))
    if getattr(parameter, "param_type_name", "") == "argument":
        names = f"`{str(getattr(parameter, 'name', '')).upper()}`"
    default = getattr(parameter, "default", None)
    shown = "" if default is None or callable(default) or default is False else f"`{default}`"
    if isinstance(said := getattr(parameter, "show_default", None), str):
        shown = said
    help_ = str(getattr(parameter, "help", "") or "").replace("|", "\\|")
    return f"| {names} | {shown} | {help_} |"


def schema() -> str:
    """Return the JSON Schema of a result file."""
    return json.dumps(json_schema(), indent=1) + "\n"


def main() -> None:
    """Write both files."""
    (HERE / "reference" / "commands.md").write_text(commands(), encoding="utf-8")
    (HERE / "result.schema.json").write_text(schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
