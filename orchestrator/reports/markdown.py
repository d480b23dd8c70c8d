"""Markdown: the table and the verdicts, for issues and pull requests."""

from __future__ import annotations

from orchestrator.analysis.analyse import Findings
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases.cells import cell_name, image_sizes
from orchestrator.phrases.conclusions import recommendations
from orchestrator.phrases.numbers import NONE, count, interval, number, seconds, spread, times
from orchestrator.phrases.verdicts import reason
from orchestrator.phrases.warnings import warning_text
from orchestrator.reports.escaping import in_code, in_markdown

HEAD = "| kernel | strategy | slots | makespan | tasks/s | vs serial | vs best in-process |"
RULE = "| --- | --- | ---: | ---: | ---: | ---: | ---: |"


def render(run: Run, findings: Findings) -> str:
    """The report as Markdown."""
    plan = run.plan
    images, rounds = count(plan.images, "image"), count(plan.rounds, "round")
    of = f"of {image_sizes(run)}" if plan.source == "origin" else f"from {in_code(plan.source)}"
    lines = [
        f"**Breakeven** {in_code(run.command)}, profile {in_code(plan.profile)}: {images} "
        f"{of}, {rounds}, {run.environment.cpu.usable} processors, "
        f"Python {in_markdown(run.environment.python)}",
        "",
    ]
    if not run.complete:
        lines += ["**Incomplete**: the run was ended before all rounds were measured.", ""]
    for verdict in findings.verdicts:
        stage, why = in_markdown(verdict.stage), in_markdown(reason(verdict))
        lines.append(f"- **{stage}: {verdict.verdict}** against {verdict.against}: {why}")
    lines += [f"- {in_markdown(sentence)}" for sentence in recommendations(findings)]
    for stage in run.stages:
        for work in run.works(stage):
            lines += ["", f"### {in_markdown(f'{stage} {work}'.strip())}", "", HEAD, RULE]
            lines += [_row(result, findings) for result in run.of_work(stage, work)]
    if findings.noise_floor is not None:
        floor = findings.noise_floor
        lines += ["", f"Noise floor: {times(floor)} {interval(floor)}".rstrip()]
    # Without a line between, they would be rows of the table above.
    lines += [""] if findings.warnings else []
    lines += [
        f"- warning: {in_markdown(each.message)}; {in_markdown(each.remedy)}"
        for each in map(warning_text, findings.warnings)
    ]
    return "\n".join(lines) + "\n"


def _row(result: CellResult, findings: Findings) -> str:
    cell = result.cell
    makespan = findings.makespans.get(cell)
    if makespan is None:
        return f"| {in_markdown(cell.kernel)} | {in_markdown(cell_name(cell))} | {cell.slots} {f'| {NONE} ' * 4}|"
    done = findings.throughputs.get(result.cell)
    cells = [
        in_markdown(cell.kernel),
        in_markdown(cell_name(cell)),
        str(cell.slots),
        f"{seconds(makespan.point)} {spread(makespan)}".strip(),
        number(done.point) if done else NONE,
        *(f"{times(each)} {interval(each)}".strip() for each in _ratios(result, findings)),
    ]
    return f"| {' | '.join(cells)} |"


def _ratios(result: CellResult, findings: Findings) -> tuple[Estimate | None, Estimate | None]:
    return findings.versus_serial.get(result.cell), findings.versus_best.get(result.cell)
