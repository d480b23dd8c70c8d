"""Values of JSON and msgpack, and ways to corrupt a document, for everything that reads what others wrote."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

# Ends of ranges, other types, and text with a meaning to a terminal, page, shell or spreadsheet.
HOSTILE = st.sampled_from(
    [
        None,
        True,
        False,
        "",
        0,
        -1,
        1 << 31,
        1 << 63,
        -(1 << 64),
        10**400,
        0.0,
        -0.5,
        5e-324,
        1e-9,
        1e308,
        float("inf"),
        float("-inf"),
        float("nan"),
        [],
        {},
        [[]],
        {"": {}},
        "\x1b[2J\x1b]0;title\x07",
        "[red]no[/]",
        "[/red]",
        "</script><script>alert(1)</script>",
        "\u202eright to left",
        "\ud800",
        "\0",
        "a\nb",
        "=1+1",
        "|",
        "`",
        "__class__",
        "../../etc/passwd",
        "x" * 3000,
        "1",
        "NaN",
        b"\x80\x04K\x01.",
    ]
)

HOSTILE_TEXT = HOSTILE.filter(lambda value: isinstance(value, str))

ANYTHING = st.recursive(
    st.one_of(HOSTILE, st.text(max_size=20), st.integers(), st.floats(), st.binary(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def corrupt(draw: st.DrawFn, document: Any, json_only: bool = False) -> Any:
    """Draw the document with up to four faults: values replaced, removed, nested or added, or texts renamed."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            made = _everywhere(made, *draw(st.one_of(_renamed(made), _refigured(made))))
        else:
            value = copy.deepcopy(draw(ANYTHING))  # a list that is drawn may be the same one each time
            _change(draw, *_somewhere(draw, made), "bytes" if json_only and _has_bytes(value) else value)
    return made


def _change(draw: st.DrawFn, holder: Any, place: Any, value: Any) -> None:
    """Make one fault."""
    what = draw(st.sampled_from(["replace", "remove", "nest", "add"]))
    if holder is None:
        return
    if what == "replace":
        holder[place] = value
    elif what == "remove":
        del holder[place]
    elif what == "nest":
        holder[place] = [holder[place]]
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(draw(st.sampled_from([value, *holder]))))
    else:
        holder[draw(st.text(max_size=6))] = value


def _renamed(document: Any) -> st.SearchStrategy[tuple[Any, Any, Any]]:
    """Draw a text of the document and its replacement, everywhere it occurs."""
    texts = {value for _, value in _leaves(document) if isinstance(value, str)}
    new = st.one_of(HOSTILE_TEXT, st.text(max_size=12))
    return st.tuples(st.none(), st.sampled_from(sorted(texts) or [""]), new)


def _refigured(document: Any) -> st.SearchStrategy[tuple[Any, Any, Any]]:
    """Draw the name of a figure and its replacement, everywhere it occurs."""
    names = {name for name, value in _leaves(document) if not isinstance(value, str)}
    some = st.sampled_from([None, 0, 1, 2, 1e-9, 1e-3, 1.0, 1e9, -1.0])
    figures = st.one_of(some, st.integers(0, 1 << 20), st.floats(0, 1e4))
    return st.tuples(st.sampled_from(sorted(names - {"schema", "version"}) or [""]), st.none(), figures)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is not a container, and its name."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each, name)
    else:
        yield name, value


def _everywhere(value: Any, name: str | None, old: Any, new: Any, here: str = "") -> Any:
    """Return the document with `new` for every text `old`, or for every figure named `name`."""
    if isinstance(value, dict):
        return {key: _everywhere(each, name, old, new, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_everywhere(each, name, old, new, here) for each in value]
    if name is None:
        return new if value == old and type(value) is type(old) else value
    return new if here == name and not isinstance(value, str) else value


def _somewhere(draw: st.DrawFn, document: Any) -> tuple[Any, Any]:
    """Draw a container in the document and a key of it, each path as often as any other."""
    places: dict[tuple[Any, ...], list[tuple[Any, Any]]] = {}
    _collect(document, (), places)
    if not places:
        return None, None
    return draw(st.sampled_from(draw(st.sampled_from(list(places.values())))))


def _collect(value: Any, path: tuple[Any, ...], places: dict[tuple[Any, ...], list[tuple[Any, Any]]]) -> None:
    if isinstance(value, dict | list) and len(path) < 12:
        for key, each in list(value.items()) if isinstance(value, dict) else list(enumerate(value)):
            here = (*path, key if isinstance(value, dict) else "*")
            places.setdefault(here, []).append((value, key))
            _collect(each, here, places)


def _has_bytes(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_bytes, value.values()))
    return any(map(_has_bytes, value)) if isinstance(value, list) else isinstance(value, bytes)
