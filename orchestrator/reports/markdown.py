"""Markdown: the table and the verdicts, for issues and pull requests."""

from __future__ import annotations

from orchestrator.analysis.conclusions import conclusions
from orchestrator.model import CellResult, Estimate, Findings, Run
from orchestrator.reports.figures import digits, interval, seconds, spread, times

HEAD = "| kernel | strategy | slots | makespan | tasks/s | vs serial | vs best in-process |"
RULE = "| --- | --- | ---: | ---: | ---: | ---: | ---: |"


def render(run: Run, findings: Findings) -> str:
    """The report as Markdown."""
    plan = run.plan
    lines = [
        f"**Breakeven** `{run.command}`, profile `{plan.profile}`: {plan.images} images of "
        f"{plan.width}x{plan.height}, {plan.rounds} rounds, {run.environment.cpu.usable} processors, "
        f"Python {run.environment.python}",
        "",
    ]
    if not run.complete:
        lines += ["**Incomplete**: the run was ended before all rounds were measured.", ""]
    for verdict in findings.verdicts:
        lines.append(f"- **{verdict.stage}: {verdict.verdict}** against {verdict.against}: {verdict.reason}")
    lines += [f"- {sentence}" for sentence in conclusions(run)]
    for stage in run.stages:
        lines += ["", f"### {stage}", "", HEAD, RULE]
        lines += [_row(result, findings) for result in run.of_stage(stage)]
    if findings.noise_floor is not None:
        floor = findings.noise_floor
        lines += ["", f"Noise floor: {digits(floor.point)}x {interval(floor)}".rstrip()]
    lines += [f"- warning: {each.message}; {each.remedy}" for each in findings.warnings]
    return "\n".join(lines) + "\n"


def _row(result: CellResult, findings: Findings) -> str:
    cell = result.cell
    makespan = findings.makespans.get(cell)
    if makespan is None:
        return f"| {cell.kernel} | {cell.label} | {cell.slots} | - | - | - | - |"
    done = result.samples[-1].ok
    cells = [
        cell.kernel,
        cell.label,
        str(cell.slots),
        f"{seconds(makespan.point)} {spread(makespan)}".strip(),
        digits(done / makespan.point) if done else "-",
        *(f"{times(each)} {interval(each)}".strip() for each in _ratios(result, findings)),
    ]
    return f"| {' | '.join(cells)} |"


def _ratios(result: CellResult, findings: Findings) -> tuple[Estimate | None, Estimate | None]:
    return findings.versus_serial.get(result.cell), findings.versus_best.get(result.cell)
