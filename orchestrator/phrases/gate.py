"""What a gate found, in words."""

from __future__ import annotations

from orchestrator.analysis.verdicts.gate import FEWEST_ROUNDS, Gate, GateRow
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.comparison import OBSTACLES, change, change_interval
from orchestrator.phrases.numbers import count, listed, percent


def headline(gate: Gate, function: str) -> str:
    """Return the outcome: `jobs:thumbnail is slower in head, by 12 % in serial`."""
    slower = [each for each in gate.rows if each.change == "regression"]
    invalid = [each for each in gate.rows if each.change == "invalid"]
    faster = [each for each in gate.rows if each.change == "improvement"]
    if invalid:
        return f"{function} went wrong: {reason(invalid[0])}"
    if slower:
        rows = ", ".join(f"{change(each.ratio)} in {cell_name(each.cell)}" for each in slower)
        return f"{function} is slower in head: {rows}"
    undecided = [each for each in gate.rows if each.change == "inconclusive"]
    if len(undecided) == len(gate.rows):
        return f"{function}: nothing could be decided; {reason(gate.rows[0]) if gate.rows else 'nothing was measured'}"
    if faster:
        rows = ", ".join(f"{change(each.ratio)} in {cell_name(each.cell)}" for each in faster)
        return f"{function} is faster in head: {rows}"
    if undecided:
        same, open_ = (
            listed(cell_name(each.cell) for each in gate.rows if (each in undecided) is part)
            for part in (False, True)
        )
        return f"{function} is not slower in head in {same}, and undecided in {open_}{limits(gate)}"
    return f"{function} is not slower in head{limits(gate)}"


def limits(gate: Gate) -> str:
    """Return how large a change would have had to be to be found."""
    return "" if gate.smallest is None else f"; a change of {percent(gate.smallest)} would have been found"


def reason(row: GateRow) -> str:
    """Return the sentence behind a row's word."""
    if row.obstacle is not None:
        return f"{cell_name(row.cell, 'prose')} {OBSTACLES[row.obstacle.kind](**row.obstacle.figures)}"
    if row.ratio is None:
        return (
            f"{cell_name(row.cell, 'prose')} has {count(row.rounds, 'round')} of both, and {FEWEST_ROUNDS} are "
            "needed; give a larger --budget, more --rounds, or --inputs that take the function less time"
        )
    return f"{cell_name(row.cell, 'prose')}: {change(row.ratio)} ({change_interval(row.ratio)})"
