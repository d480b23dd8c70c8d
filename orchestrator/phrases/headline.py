"""The headline of a run, and the sentence below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.analysis.scaling.sweep import AXES, Sweep, distinct
from orchestrator.model.findings import Verdict, VerdictWord
from orchestrator.model.runs import Run
from orchestrator.phrases.answer import StageAnswerText, lead, stage_text
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.cost import only_here, winning_slots
from orchestrator.phrases.granularity import granularity_headline
from orchestrator.phrases.load import load_headline
from orchestrator.phrases.numbers import listed
from orchestrator.phrases.sweep import near, no_further, paying, significant

ANSWERS: Final[dict[VerdictWord, str]] = {
    "helps": "Celery helps in {}",
    "hurts": "Celery hurts in {}",
    "ties": "Celery makes no difference in {}",
    "inconclusive": "It is unclear whether Celery helps in {}",
}

GATE: Final = "The other side has a result file of its own; 'orchestrator compare' takes both."


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer in a few words, and a sentence that explains it; the figures stand beside the charts."""

    text: str
    lead: str


@dataclass(frozen=True, slots=True)
class AnswerText:
    """The answer of a run, as the result file has it."""

    headline: str
    lead: str
    stages: tuple[StageAnswerText, ...]


def answer_text(findings: Findings) -> AnswerText:
    """Return the answer of a run in words."""
    said = headline(findings)
    return AnswerText(said.text, said.lead, tuple(map(stage_text, findings.answer.stages)))


def headline(findings: Findings) -> Headline:
    """Say whether Celery helps, and what to use; of a sweep, from where on it does."""
    axis, function = findings.run.plan.axis, findings.run.plan.function
    if findings.run.command == "gate" and function is not None:
        return Headline(f"One side of a gate: {function.name}", GATE)
    if axis == "work" and (said := granularity_headline(findings.granularities)) is not None:
        pays = "; ".join(_beats_where(each, findings.run) for each in distinct(findings.sweeps))
        return Headline(said[0], f"{said[1]} {_sentence_of(pays)}".strip() if pays else said[1])
    if axis in AXES:
        return _of_sweep(findings)
    if axis == "rate":
        return Headline(*load_headline(findings))
    costs = findings.scaling.costs if axis == "slots" else ()
    if costs:
        return _of_slots(costs)
    verdicts = [each.verdict for each in findings.answer.stages]
    rows = () if findings.function is None else findings.function.rows
    if not verdicts and (measured := [each.cell for each in rows if not each.predicted]):
        return Headline(
            _capital(f"{cell_name(measured[0], 'prose')} took the least time"),
            "A verdict needs rows of Celery and rows without it; leave --strategy out for both.",
        )
    if not verdicts:
        return Headline("Nothing to compare", "No stage has both a Celery cell and an in-process cell.")
    return Headline(_answer(verdicts), lead(findings.answer))


def _of_slots(costs: Sequence[Cost]) -> Headline:
    best = [each for each in costs if each.against == "best in-process" and not each.elsewhere]
    stages = dict.fromkeys(each.stage for each in costs)
    said = {stage: "; ".join(_beats(c) for c in costs if c.stage == stage) for stage in stages}
    if len(best) == 1:
        return Headline(_answer_of_slots(best[0]), _sentence_of(said[best[0].stage]))
    pays = sum(each.kind == "measured" for each in best)
    lead = " ".join(f"{stage}: {text}." for stage, text in said.items())
    return Headline(f"With these slots Celery pays in {pays or 'none'} of {len(best)} stages", lead)


def _answer_of_slots(cost: Cost) -> str:
    if cost.kind == "unknown":
        return f"It is unclear with how many slots Celery pays in {cost.celery.subject}"
    if cost.kind == "never":
        return f"In {cost.celery.subject} no number of slots would make Celery pay{only_here(cost)}"
    pays = "pays" if cost.kind == "measured" else "should pay"
    return f"In {cost.celery.subject} Celery {pays} {winning_slots(cost)}"


def _beats(cost: Cost) -> str:
    name = "one thread" if cost.against == "serial" else "the fastest in-process cell"
    if cost.kind == "unknown":
        there = "with slots on other machines it is unclear"
        return there if cost.elsewhere else f"it is unclear whether Celery beats {name}"
    if cost.kind == "never":
        there = "slots on other machines would not either"
        return there if cost.elsewhere else f"no number of slots{only_here(cost)} would beat {name}"
    if cost.elsewhere:
        return f"with slots on other machines it should {winning_slots(cost)}"
    return f"Celery {'beats' if cost.kind == 'measured' else 'should beat'} {name} {winning_slots(cost)}"


def _sentence_of(clauses: str) -> str:
    return f"{_capital(clauses)}."


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _of_sweep(findings: Findings) -> Headline:
    run, found = findings.run, findings.sweeps
    best = [each for each in found if each.against == "best in-process"]
    if not best:
        return Headline(
            "Nothing to compare",
            "No point of the sweep has both a Celery cell and an in-process cell that did the same work.",
        )
    stages = dict.fromkeys(each.stage for each in best)
    said = {
        stage: "; ".join(_beats_where(each, run) for each in distinct(found) if each.stage == stage)
        for stage in stages
    }
    if len(best) == 1:
        return Headline(_where(best[0], run), _sentence_of(said[best[0].stage]))
    lead = " ".join(f"{stage}: {text}." for stage, text in said.items())
    pays = sum(each.found.pays for each in best)
    return Headline(f"Celery pays somewhere in {pays or 'none'} of {len(best)} stages", lead)


def _beats_where(sweep: Sweep, run: Run) -> str:
    found = sweep.found
    who = "serial work" if sweep.against == "serial" else "the fastest in-process cell"
    if found.kind == "crosses":
        return f"Celery beats {who} {near(sweep, run, found.crossovers[0])}"
    if found.kind == "perhaps":
        sure = f"Celery beats {who} in places" if found.pays else f"no break-even against {who} is certain"
        return f"{sure}; perhaps Celery beats it {near(sweep, run, found.crossovers[0])}"
    if found.kind in ("always", "never") and not found.everywhere:
        does = "faster" if found.kind == "always" else "slower"
        one = len(found.significant) == 1
        where = significant(sweep, run) if one else "in places; elsewhere it is unclear"
        return f"Celery is significantly {does} than {who} {where}"
    if found.kind == "undecided":
        return f"it is unclear whether Celery beats {who}"
    if found.kind == "never":
        return f"Celery never beats {who} in the tested range"
    return f"Celery beats {who} in {'places' if found.kind == 'several' else 'the whole tested range'}"


def _where(sweep: Sweep, run: Run) -> str:
    stage, found = run.subject(sweep.stage), sweep.found
    if found.kind == "crosses":
        return f"In {stage} Celery pays {near(sweep, run, found.crossovers[0])}"
    if found.kind == "never" or (found.kind == "perhaps" and not found.pays):
        none = f"No break-even found in {stage} {no_further(sweep, run)}"
        return none if found.kind == "never" else f"{none}; perhaps {paying(sweep, run, found.crossovers[0])}"
    if found.kind in ("always", "perhaps") and not found.everywhere:
        return f"In {stage} Celery pays {significant(sweep, run)}"
    if found.kind == "undecided":
        return f"It is unclear where Celery pays in {stage}"
    return f"In {stage} Celery pays in {'places' if found.kind == 'several' else 'the whole tested range'}"


def _answer(verdicts: Sequence[Verdict]) -> str:
    if len(verdicts) == 1:
        word = verdicts[0].verdict
        sentence = f"{_no_verdict(verdicts)} in {{}}" if word == "invalid" else ANSWERS[word]
        return _capital(sentence.format(verdicts[0].subject))
    words: dict[str, tuple[VerdictWord, ...]] = {
        "helps": ("helps",),
        "not": ("hurts", "ties"),
        "unclear": ("inconclusive",),
        "wrong": ("invalid",),
    }
    stages = {name: [v.subject for v in verdicts if v.verdict in of_kind] for name, of_kind in words.items()}
    clauses = []
    if stages["helps"]:
        clauses.append(f"Celery helps in {listed(stages['helps'])}")
    if stages["not"]:
        clauses.append(f"{'not' if clauses else 'Celery does not help'} in {listed(stages['not'])}")
    if stages["unclear"]:
        unclear = "unclear" if clauses else "It is unclear whether Celery helps"
        clauses.append(f"{unclear} in {listed(stages['unclear'])}")
    if stages["wrong"]:
        invalid = [each for each in verdicts if each.verdict == "invalid"]
        clauses.append(f"{_no_verdict(invalid)} in {listed(stages['wrong'])}")
    return _capital("; ".join(clauses))


def _no_verdict(invalid: Sequence[Verdict]) -> str:
    wrong = all(each.obstacle is not None and each.obstacle.kind == "incorrect" for each in invalid)
    return "outputs were missing or wrong" if wrong else "there is no verdict"
