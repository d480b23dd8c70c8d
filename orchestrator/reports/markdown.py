"""Markdown: the verdicts and tables, for issues and pull requests."""

from __future__ import annotations

from typing import Final

from orchestrator.analysis.analyse import Findings
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases.cells import cell_name, image_sizes
from orchestrator.phrases.numbers import NONE, count, interval, number, seconds, spread, times
from orchestrator.phrases.recommendations import conclusions
from orchestrator.phrases.run import INCOMPLETE, conditions_sentence, noise_floor_sentence
from orchestrator.phrases.verdicts import reason
from orchestrator.phrases.warnings import warning_text
from orchestrator.reports.escaping import in_code, in_markdown
from orchestrator.reports.load import load_markdown

HEAD: Final = "| kernel | strategy | slots | makespan | tasks/s | vs serial | vs best in-process |"
RULE: Final = "| --- | --- | ---: | ---: | ---: | ---: | ---: |"


def render(run: Run, findings: Findings) -> str:
    """Return the report as Markdown."""
    plan, environment = run.plan, run.environment
    of = f"of {image_sizes(run)}" if plan.source == "origin" else f"from {in_code(plan.source)}"
    lines = [
        f"**Breakeven** {in_code(run.command)}, profile {in_code(plan.profile)}: {count(plan.images, 'image')} "
        f"{of}, {count(plan.rounds, 'round')}, {environment.cpu.usable:g} processors, "
        f"Python {in_markdown(environment.python)}",
        "",
    ]
    lines += [] if run.complete else [f"**Incomplete**: {INCOMPLETE}.", ""]
    for verdict in findings.verdicts:
        stage, why = in_markdown(verdict.stage), in_markdown(reason(verdict))
        lines.append(f"- **{stage}: {verdict.verdict}** against {verdict.against}: {why}")
    lines += [f"- {in_markdown(sentence)}" for sentence in conclusions(findings)]
    lines += load_markdown(findings)
    for stage in run.stages if run.plan.axis != "rate" else ():
        for work in run.works(stage):
            lines += ["", f"### {in_markdown(f'{stage} {work}'.strip())}", "", HEAD, RULE]
            lines += [_row(result, findings) for result in run.of_work(stage, work)]
    lines += ["", noise_floor_sentence(findings)] if findings.noise_floor else []
    lines += ["", said] if (said := conditions_sentence(findings)) else []
    lines += [""] if findings.warnings else []  # or Markdown takes them for rows of the table
    for warning in map(warning_text, findings.warnings):
        lines.append(f"- warning: {in_markdown(warning.message)}; {in_markdown(warning.remedy)}")
    return "\n".join(lines) + "\n"


def _row(result: CellResult, findings: Findings) -> str:
    cell = result.cell
    cells = [in_markdown(cell.kernel), in_markdown(cell_name(cell)), str(cell.slots)]
    makespan = findings.makespans.get(cell)
    if makespan is None:
        return f"| {' | '.join([*cells, *[NONE] * 4])} |"
    done = findings.throughputs.get(cell)
    cells += [f"{seconds(makespan.point)} {spread(makespan)}".strip(), number(done.point) if done else NONE]
    for ratio in (findings.versus_serial.get(cell), findings.versus_best.get(cell)):
        cells.append(f"{times(ratio)} {interval(ratio)}".strip())
    return f"| {' | '.join(cells)} |"
