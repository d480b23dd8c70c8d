"""The answer at a glance: a headline, and the sentence below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.scaling.cost import Cost, CostKind
from orchestrator.analysis.scaling.crossover import BreakEvenKind
from orchestrator.analysis.scaling.sweep import AXES, Sweep
from orchestrator.model.findings import Verdict, VerdictWord
from orchestrator.model.runs import Run
from orchestrator.phrases.cost import here_alone, winning_slots
from orchestrator.phrases.numbers import count
from orchestrator.phrases.sweep import distinct, paying, surely

DOES: dict[VerdictWord, str] = {
    "helps": "it helps in {}",
    "hurts": "it hurts in {}",
    "ties": "it makes no difference in {}",
    "inconclusive": "of {} it cannot be told yet",
    "invalid": "in {} the work was not done right",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """What a reader takes away who reads nothing else: an answer, and a sentence; figures stand by the charts."""

    text: str
    lead: str


def headline(findings: Findings) -> Headline:
    """Whether Celery helps: against the best that one machine does without it, and then against serial."""
    axis = findings.run.plan.axis
    if axis in AXES:
        return _of_sweep(findings)
    costs = findings.scaling.costs if axis == "slots" else ()
    if costs:
        return _of_slots(costs)
    best = [each for each in findings.verdicts if each.against == "best in-process"]
    serial = [each for each in findings.verdicts if each.against == "serial"]
    if not best:
        return Headline(
            "Nothing to judge", "No stage has both a Celery cell and an in-process one to hold it against."
        )
    against_best, against_serial = _sentence(best), _sentence(serial)
    if against_best == against_serial:
        lead = f"Against the best that this machine does without it, and against serial work: {against_best}."
    else:
        lead = f"Against the best that this machine does without it: {against_best}."
        lead += f" Against serial work: {against_serial}." if serial else ""
    return Headline(_answer(best), lead)


def _of_slots(costs: Sequence[Cost]) -> Headline:
    """From how many slots on Celery pays, of a run that swept them."""
    best = [each for each in costs if each.against == "best in-process" and not each.elsewhere]
    stages = dict.fromkeys(each.stage for each in costs)
    said = {stage: "; ".join(_beats(c) for c in costs if c.stage == stage) for stage in stages}
    if len(best) == 1:
        cost = best[0]
        answers: dict[CostKind, str] = {
            "measured": "In {} Celery pays {}",
            "predicted": "In {} Celery should pay {}",
            "never": f"In {{}} no number of slots would make Celery pay{here_alone(cost)}",
            "unknown": "From how many slots on Celery pays in {} cannot be told yet",
        }
        answer = answers[cost.kind].format(cost.stage, winning_slots(cost))
        return Headline(answer, _sentence_of(said[cost.stage]))
    pays = sum(each.kind == "measured" for each in best)
    lead = " ".join(f"{stage}: {text}." for stage, text in said.items())
    return Headline(f"With these slots Celery pays in {pays or 'none'} of {len(best)} stages", lead)


def _beats(cost: Cost) -> str:
    """A COST in a clause, without its figures."""
    name = "one thread" if cost.against == "serial" else "the best in-process cell"
    clauses: dict[CostKind, str] = {
        "measured": f"Celery beats {name} {winning_slots(cost)}",
        "predicted": f"Celery should beat {name} {winning_slots(cost)}",
        "never": f"no number of slots{here_alone(cost)} would beat {name}",
        "unknown": f"whether Celery beats {name} cannot be told yet",
    }
    apart: dict[CostKind, str] = {
        "predicted": f"with slots on other machines it should {winning_slots(cost)}",
        "never": "nor does any on other machines",
        "unknown": "of slots on other machines it cannot be told yet",
    }
    return apart[cost.kind] if cost.elsewhere else clauses[cost.kind]


def _sentence_of(clauses: str) -> str:
    return f"{clauses[:1].upper()}{clauses[1:]}."


def _of_sweep(findings: Findings) -> Headline:
    """From where Celery pays, of a run that swept the work."""
    run, sweeps = findings.run, findings.sweeps
    best = [each for each in sweeps if each.against == "best in-process"]
    if not best:
        return Headline(
            "Nothing to judge",
            "No point of the sweep has both a Celery cell and an in-process one that did the same work.",
        )
    several = len(best) > 1
    stages = dict.fromkeys(each.stage for each in best)
    said = {
        stage: "; ".join(_beats_where(each, run) for each in distinct(sweeps) if each.stage == stage)
        for stage in stages
    }
    if not several:
        return Headline(_where(best[0], run), _sentence_of(said[best[0].stage]))
    lead = " ".join(f"{stage}: {text}." for stage, text in said.items())
    pays = sum(each.found.kind in ("crosses", "several", "always") for each in best)
    return Headline(f"Celery pays somewhere in {pays or 'none'} of {len(best)} stages", lead)


def _beats_where(sweep: Sweep, run: Run) -> str:
    """Where Celery beats an opponent in a clause, without the figures."""
    found = sweep.found
    who = "serial work" if sweep.against == "serial" else "the best in-process cell"
    if found.kind == "crosses":
        return f"Celery beats {who} {paying(sweep, run, found.crossings[0])}"
    if found.kind in ("always", "never") and not found.everywhere:
        does = "surely beats" if found.kind == "always" else "is surely slower than"
        where = surely(sweep, run) if len(found.sure) == 1 else "in places, and elsewhere one cannot tell"
        return f"Celery {does} {who} {where}"
    clauses: dict[BreakEvenKind, str] = {
        "several": f"Celery beats {who} in places",
        "always": f"Celery beats {who} wherever it was tested",
        "never": f"Celery beats {who} nowhere that was tested",
        "undecided": f"whether Celery beats {who} cannot be told yet",
    }
    return clauses[found.kind]


def _where(sweep: Sweep, run: Run) -> str:
    stage, found = sweep.stage, sweep.found
    if found.kind == "crosses":
        return f"In {stage} Celery pays {paying(sweep, run, found.crossings[0])}"
    if found.kind in ("always", "never") and not found.everywhere:
        does = "pays" if found.kind == "always" else "does not pay"
        return f"In {stage} Celery surely {does} {surely(sweep, run)}"
    answers: dict[BreakEvenKind, str] = {
        "several": f"In {stage} Celery pays in places",
        "always": f"In {stage} Celery pays wherever it was tested",
        "never": f"In {stage} Celery pays nowhere that was tested",
        "undecided": f"Where Celery pays in {stage} cannot be told yet",
    }
    return answers[found.kind]


def _answer(verdicts: Sequence[Verdict]) -> str:
    if len(verdicts) == 1:
        alone = verdicts[0]
        answers: dict[VerdictWord, str] = {
            "helps": "Celery helps in {}",
            "hurts": "Celery hurts in {}",
            "ties": "Celery makes no difference in {}",
            "inconclusive": "Whether Celery helps in {} cannot be told yet",
            "invalid": "The work of {} was not done right",
        }
        return answers[alone.verdict].format(alone.stage)
    counted = Counter(each.verdict for each in verdicts)
    helps, unclear, invalid = (counted[word] for word in ("helps", "inconclusive", "invalid"))
    told = len(verdicts) - unclear - invalid
    if invalid == len(verdicts):
        return f"The work was not done right in any of {invalid} stages"
    if helps == len(verdicts):
        return f"Celery helps in all {helps} stages"
    wrong = f"; in {invalid} the work was not done right" if invalid else ""
    if not told:
        which = count(unclear, "stage") if invalid else f"any of {unclear} stages"
        return f"Whether Celery helps cannot be told yet in {which}{wrong}"
    later = f", and in {unclear} it cannot be told yet" if unclear else ""
    return f"Celery helps in {helps or 'none'} of {count(told, 'stage')}{later}{wrong}"


def _sentence(verdicts: Sequence[Verdict]) -> str:
    """What it does, and where: `it helps in download; it hurts in decode`."""
    clauses = []
    for word, clause in DOES.items():
        stages = [each.stage for each in verdicts if each.verdict == word]
        if stages:
            clauses.append(clause.format(listed(stages)))
    return "; ".join(clauses)


def listed(words: Iterable[str]) -> str:
    """Words as a list in a sentence: `a`, `a and b`, `a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
