"""What crosses for a user's function: plain values and arrays, compared with a tolerance, refused by name."""

from __future__ import annotations

import datetime
import decimal
from pathlib import PosixPath
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from worker.payloads import TRANSPORTS
from worker.payloads.codec import from_bytes, layout
from worker.payloads.transport import PayloadMissingError, checked_reference
from worker.settings import Settings
from worker.values import EncodedValue, UncrossableError, check, decode, encode, faults, same

LEAVES = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text() | st.binary()
)
KEYS = st.text() | st.integers(-5, 5) | st.none() | st.booleans()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(VALUES)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert [*faults(value)] == []
    assert same(value, decode(encode(value)), tolerance=0.0)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.zeros((0, 3), np.uint8),
        np.array(3.5),
        np.zeros((4, 2), ">f4")[::2],
        np.array([1 + 2j, np.nan]),
        np.array([True, False]),
    ],
)
def test_an_array_comes_back_with_its_shape_and_dtype_and_may_be_changed(array: Any) -> None:
    found = decode(encode({"a": [array]}))["a"][0]
    np.testing.assert_array_equal(found, array, strict=True)
    assert found.flags.writeable


def test_a_tuple_comes_back_as_a_list_and_a_scalar_as_a_number_and_both_count_as_equal() -> None:
    value = {"pair": (1, (2.5, "x")), "scalar": np.float32(0.5), "count": np.int64(7), "is": np.bool_(True)}
    found = decode(encode(value))
    assert found == {"pair": [1, [2.5, "x"]], "scalar": 0.5, "count": 7, "is": True}
    assert same(value, found, 0.0)
    assert same(found, value, 0.0)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1.0, 1.0 + 1e-10, True),
        (1.0, 1.0 + 1e-8, False),
        (float("nan"), float("nan"), True),
        (float("nan"), 1.0, False),
        (float("inf"), float("inf"), True),
        (1, True, False),
        (0, None, False),
        ("1", b"1", False),
        ([1, 2], [1], False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": [1e-30]}, {"a": [2e-30]}, False),
        (np.array([1.0, np.nan]), np.array([1.0 + 1e-12, np.nan]), True),
        (np.array([1.0]), np.array([1.0], np.float32), False),
        (np.array([1.0]), [1.0], False),
        (np.array([1, 2]), np.array([1, 3]), False),
    ],
)
def test_floats_are_equal_within_the_tolerance_and_everything_else_exactly(
    one: Any, other: Any, equal: bool
) -> None:
    assert same(one, other, 1e-9) is equal


class Thing:
    """A class of the user's."""


ITSELF: list[Any] = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Image.new("RGB", (2, 2)), "a PIL.Image; use its bytes or an array"),
        ({"image": Image.new("RGB", (2, 2))}, "a PIL.Image under 'image'; use its bytes or an array"),
        ([1, {2}], "a set at index 1; use a sorted list"),
        (1 << 64, "an integer of more than 64 bits; use a float or a string"),
        (np.array([Thing()]), "an object array; use a list or an array of numbers"),
        (np.array(["a"]), "a text array; use a list of strings"),
        (datetime.datetime(2026, 1, 1), "a datetime; use its isoformat()"),
        (PosixPath("a"), "a pathlib.PosixPath; use its str()"),
        (decimal.Decimal(1), "a decimal.Decimal; use its str()"),
        ((each for each in ()), "a generator; use a list"),
        (Thing(), "Thing; use plain values or an array"),
        ({(1, 2): 3}, "a tuple as a key; use strings or numbers as keys"),
        ("\ud800", "text with half of a surrogate pair; use text that UTF-8 can encode"),
        (1j, "a complex; use two floats or an array"),
        (ITSELF, "values nested more than 100 deep; use a flatter value"),
    ],
)
def test_what_cannot_cross_is_named_with_a_remedy(value: Any, says: str) -> None:
    with pytest.raises(UncrossableError) as refused:
        check(value)
    assert str(refused.value).endswith(says)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\x81",
        msgpack.packb(msgpack.ExtType(2, b"")),
        msgpack.packb(msgpack.ExtType(1, b"")),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["|O", [1]]) + b"12345678")),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["<f8", [1 << 40]]) + b"12345678")),
        msgpack.packb({1: 2}) + b"\x00",
        b"\x91" * 5000,
        b"\xdd\x7f\xff\xff\xff",
        msgpack.packb({(1,): 2}),
    ],
)
def test_what_is_not_a_value_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a value"):
        decode(raw)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_every_transport_carries_values_of_every_kind(name: str, tmp_path: Any) -> None:
    if name == "redis":
        pytest.skip("needs a server; a strategy's own tests use one")
    transport = TRANSPORTS[name].from_settings(Settings(payload_dir=str(tmp_path)))
    for number, value in enumerate([None, "http://a", b"x", [1, {"a": np.arange(3)}]]):
        reference = transport.put(f"breakeven-1:out:{number}", encode(value))
        assert same(value, transport.get(checked_reference(reference)), 0.0)


def test_a_payload_that_is_no_value_is_missing() -> None:
    with pytest.raises(PayloadMissingError, match="not a value"):
        from_bytes(b"\xc1", layout(EncodedValue(b"\xc1")))
