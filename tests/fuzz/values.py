"""Values as JSON and msgpack have them, and ways to spoil a document: for whatever reads what others wrote."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

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
"""What a reader may stumble over: ends of ranges, other kinds, and text that means something to somebody."""

HOSTILE_TEXT = HOSTILE.filter(lambda value: isinstance(value, str))

ANYTHING = st.recursive(
    st.one_of(HOSTILE, st.text(max_size=20), st.integers(), st.floats(), st.binary(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def spoilt(draw: st.DrawFn, document: Any, json_only: bool = False) -> Any:
    """The document with up to four faults: a value replaced, left out, doubled or nested, or a name of all."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            made = _everywhere(made, *draw(st.one_of(_renamed(made), _refigured(made))))
        else:
            value = copy.deepcopy(draw(ANYTHING))  # a list that is drawn may be the same one each time
            _change(draw, *_somewhere(draw, made), "bytes" if json_only and _has_bytes(value) else value)
    return made


def _change(draw: st.DrawFn, holder: Any, place: Any, value: Any) -> None:
    """One fault at one place."""
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
    """One text of the document, and another in its place wherever it stands, as a file by another hand has it."""
    texts = {value for _, value in _leaves(document) if isinstance(value, str)}
    new = st.one_of(HOSTILE_TEXT, st.text(max_size=12))
    return st.tuples(st.none(), st.sampled_from(sorted(texts) or [""]), new)


def _refigured(document: Any) -> st.SearchStrategy[tuple[Any, Any, Any]]:
    """One kind of figure, and another value for each of them."""
    names = {name for name, value in _leaves(document) if not isinstance(value, str)}
    some = st.sampled_from([None, 0, 1, 2, 1e-9, 1e-3, 1.0, 1e9, -1.0])
    figures = st.one_of(some, st.integers(0, 1 << 20), st.floats(0, 1e4))
    return st.tuples(st.sampled_from(sorted(names - {"schema", "version"}) or [""]), st.none(), figures)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that holds no other, with what it is called."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each, name)
    else:
        yield name, value


def _everywhere(value: Any, name: str | None, old: Any, new: Any, here: str = "") -> Any:
    """The document with `new` for every text `old`, or for every figure that is called `name`."""
    if isinstance(value, dict):
        return {key: _everywhere(each, name, old, new, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_everywhere(each, name, old, new, here) for each in value]
    if name is None:
        return new if value == old and type(value) is type(old) else value
    return new if here == name and not isinstance(value, str) else value


def _somewhere(draw: st.DrawFn, document: Any) -> tuple[Any, Any]:
    """A place in the document: its holder, and its key or number there. Each kind of place as often as any other."""
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
