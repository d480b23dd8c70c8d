"""`list`: the choices, and what each command does by default."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from orchestrator.model.runs import Plan

WIDTH = 80


def list_() -> None:
    """List what there is to choose from, and every default. For each profile, shows the options of each command."""
    # Imported here: the registries load Celery and NumPy, which --help can do without.
    from orchestrator.planning.options import PROFILES  # noqa: PLC0415
    from orchestrator.strategies import STRATEGIES  # noqa: PLC0415
    from worker.stages import STAGES  # noqa: PLC0415

    lines = ["stages and their kernels"]
    for name, stage in STAGES.items():
        if stage.of_user:
            lines.append(f"  {name:<12}yours: --function PKG.MOD:NAME --inputs SPEC")
            continue
        lines.append(f"  {name:<12}{', '.join(stage.kernels)}")
    lines += ["strategies"]
    for name, kind in STRATEGIES.items():
        lines += _text(f"  {name:<12}", kind.summary)
    lines += ["transports"]
    transports = {name: each for kind in STRATEGIES.values() for name, each in kind.transports.items()}
    for name, transport in transports.items():
        lines += _text(f"  {name:<15}", transport.summary)
    lines += ["profiles, and the options they stand for in each command"]
    for name, profile in PROFILES.items():
        lines += _text(f"  {name:<12}", profile.description)
        if profile.slots is None:
            lines += _text(" " * 14, "slots are as many as the usable processors, from 2 to 4")
        lines += _defaults(name)
    lines += _text(
        "  ", "without --chunk, threads take one task a call, and processes one chunk that suits --slots"
    )
    whole = " and ".join(name for name, stage in STAGES.items() if stage.end_to_end)
    lines += _text(
        "  ",
        f"run has more rows for {whole}: on more slots than processors without --slots, and as the documentation shows "
        "it; --transport, --chunk, --data and --events leave them out",
    )
    typer.echo("\n".join(lines))


def _defaults(profile: str) -> Iterator[str]:
    from orchestrator.inputs import source  # noqa: PLC0415 - as above
    from orchestrator.planning.options import MEASURING, Options, options_of  # noqa: PLC0415 - as above
    from orchestrator.planning.plan import resolve  # noqa: PLC0415 - as above

    usual: set[str] = set()
    for command in MEASURING:
        plan = resolve(Options(command=command, profile=profile), source.parse(source.ORIGIN))
        flags = {option.flag for _, option in options_of(command).values()}
        options = [each for each in _options(plan) if each not in usual and each.partition(" ")[0] in flags]
        usual = usual or set(options)
        yield from _wrapped(f"    {command:<10}", options)


def _options(plan: Plan) -> Iterator[str]:
    from orchestrator.strategies import STRATEGIES  # noqa: PLC0415 - as above
    from worker.stages import DEFAULT_STAGES  # noqa: PLC0415

    cells = [cell for cell in plan.cells if cell.style == "tuned" and cell.slots <= plan.slots]
    stages = dict.fromkeys(cell.stage for cell in cells)
    if tuple(stages) != DEFAULT_STAGES:
        yield from _repeated("stage", stages)
        yield from _repeated("kernel", (cell.kernel for cell in cells))
    if plan.searched:
        yield f"--rate auto --arrivals {plan.arrivals} --duration {plan.duration_s:g}"
    yield f"--images {plan.images}"
    sides = [cell.width for cell in cells if cell.width is not None and plan.axis is not None]
    yield f"--from {min(sides)} --to {max(sides)}" if sides else f"--size {plan.width}x{plan.height}"
    yield f"--latency-ms {plan.latency_ms:g}"
    if plan.bandwidth_mbit is not None:
        yield f"--bandwidth-mbit {plan.bandwidth_mbit:g}"
    slots = sorted({cell.slots for cell in cells if STRATEGIES[cell.strategy].many_slots})
    yield f"--slots {','.join(map(str, slots))}"
    yield f"--rounds {plan.rounds}"
    yield f"--warmup {plan.warmup}"
    if plan.budget_s is not None:
        yield f"--budget {plan.budget_s:g}"
    yield from _repeated("transport", (cell.transport for cell in cells))
    yield from _repeated("chunk", (cell.chunk for cell in cells if cell.distributed))
    yield from _repeated("data", (cell.data for cell in cells))


def _repeated(option: str, values: Iterable[object]) -> Iterator[str]:
    yield " ".join(f"--{option} {value}" for value in dict.fromkeys(values) if value is not None)


def _text(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def _wrapped(head: str, options: Iterable[str]) -> list[str]:
    """Options wrapped so that each stays on a line with its value."""
    joined = " ".join(option.replace(" ", "\u00a0") for option in options)
    lines = textwrap.wrap(
        joined, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )
    return [line.replace("\u00a0", " ") for line in lines]
