"""Values that cross a process or a network for a user's function: msgpack, with NumPy arrays, and no pickle.

None, bool, int up to 64 bits, float, str, bytes, list, dict, tuple, NumPy arrays of numbers and NumPy scalars, nested.
A tuple comes back as a list, a scalar as a number; `same` counts them as equal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

import msgpack
import numpy as np

from worker.envelope import MAX_ELEMENTS, OversizedMessageError, check_msgpack

DTYPE: Final = re.compile(r"[<>|=]?[biufc]\d{1,2}")  # NumPy's numbers, never objects
MAX_DIMENSIONS: Final = 32  # of an array
ARRAY: Final = 1  # msgpack's extension type of an array
MAX_DEPTH: Final = 100  # nested lists and dictionaries
MAX_BYTES: Final = 512 << 20  # as much as a Redis stores under one key
INTEGERS: Final = (-(1 << 63), (1 << 64) - 1)
KEYS: Final = (str, bytes, int, float, bool, type(None))  # of a dictionary

REMEDIES: Final[Mapping[str, str]] = {
    "Image": "its bytes or an array",
    "DataFrame": "its to_dict() or an array",
    "Series": "its to_numpy()",
    "Tensor": "its numpy()",
    "set": "a sorted list",
    "frozenset": "a sorted list",
    "generator": "a list",
    "coroutine": "what it awaits",
    "bytearray": "bytes",
    "memoryview": "bytes",
    "datetime": "its isoformat()",
    "date": "its isoformat()",
    "Decimal": "its str()",
    "UUID": "its str()",
    "PosixPath": "its str()",
    "Response": "its content and status",
    "complex": "two floats or an array",
    "object array": "a list or an array of numbers",
    "text array": "a list of strings",
}


class EncodedValue(bytes):
    """A value as msgpack; a payload of this type comes back as the value."""


class UncrossableError(TypeError):
    """A value that cannot cross: `what` it is, where in the whole it stands, and what to give instead."""

    def __init__(self, what: str, where: str, instead: str) -> None:
        super().__init__(f"{what}{where}; use {instead}")
        self.what, self.where, self.instead = what, where, instead


def check(value: Any) -> None:
    """Raise the first `UncrossableError` of a value, if it has one."""
    for fault in faults(value):
        raise fault


def encode(value: Any) -> EncodedValue:
    """Return a value as msgpack.

    Raises:
        UncrossableError: it, or a part of it, cannot cross.
    """
    try:
        raw: bytes = msgpack.packb(value, default=_packed)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        check(value)
        raise UncrossableError(f"a value that msgpack refuses ({error})", "", "plain values") from None
    if len(raw) > MAX_BYTES:
        raise UncrossableError(
            f"a value of {len(raw):,} bytes", "", f"at most {MAX_BYTES:,}, or a file's path"
        )
    return EncodedValue(raw)


def decode(raw: bytes | memoryview) -> Any:
    """Return the value in msgpack; arrays own their memory.

    Raises:
        ValueError: it is not a value of ours.
    """
    try:
        check_msgpack(bytes(raw), MAX_BYTES)
        return msgpack.unpackb(raw, ext_hook=_unpacked, strict_map_key=False)
    except OversizedMessageError:
        raise
    except Exception as error:  # noqa: BLE001 - msgpack raises its own kinds, and what hashing or decoding raises
        raise ValueError(f"not a value: {error}") from None


def decode_all(file: IO[bytes]) -> Iterator[Any]:
    """Yield the values in a file of them, one behind the other."""
    yield from msgpack.Unpacker(file, ext_hook=_unpacked, strict_map_key=False, max_buffer_size=MAX_BYTES)


def faults(value: Any, where: str = "", depth: int = 0) -> Iterator[UncrossableError]:
    """Yield the parts of a value that cannot cross, in their order."""
    if depth > MAX_DEPTH:
        yield UncrossableError(f"values nested more than {MAX_DEPTH} deep", "", "a flatter value")
    elif isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(key, KEYS):
                yield UncrossableError(_named(key), f" as a key{where}", "strings or numbers as keys")
            yield from faults(each, f" under {key!r:.40}{where}", depth + 1)
    elif isinstance(value, list | tuple):
        if len(value) > MAX_ELEMENTS:
            yield UncrossableError(f"a list of {len(value):,} values", where, "an array")
        for index, each in enumerate(value):
            yield from faults(each, f" at index {index}{where}", depth + 1)
    elif (fault := _fault_of_leaf(value, where)) is not None:
        yield fault


def _fault_of_leaf(value: Any, where: str) -> UncrossableError | None:
    if isinstance(value, int) and not INTEGERS[0] <= value <= INTEGERS[1]:
        return UncrossableError("an integer of more than 64 bits", where, "a float or a string")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value):
        return UncrossableError("text with half of a surrogate pair", where, "text that UTF-8 can encode")
    if isinstance(value, str | float | int | bytes | type(None)) or _is_numeric(value):
        return None
    remedy = REMEDIES.get(kind_of(value).rpartition(".")[2], "plain values or an array")
    return UncrossableError(_named(value), where, remedy)


def _named(value: Any) -> str:
    name = kind_of(value)
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def kind_of(value: Any) -> str:
    """Return the type of a value as its users call it: `PIL.Image`, `set`, `object array`."""
    if isinstance(value, np.ndarray):
        return "text array" if value.dtype.kind in "US" else f"{value.dtype.name.rstrip('0123456789')} array"
    kind = type(value)
    for each in kind.__mro__:  # PIL.JpegImagePlugin.JpegImageFile is a PIL.Image.Image
        module = each.__module__.split(".")
        if each.__name__ == module[-1]:
            return ".".join(module)
    return (
        kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__name__}"
    )


def same(expected: Any, found: Any, tolerance: float) -> bool:
    """Return whether two values are equal, floats within a relative tolerance; NaN equals NaN."""
    expected, found = _plain(expected), _plain(found)
    if isinstance(expected, np.ndarray) or isinstance(found, np.ndarray):
        return _same_arrays(expected, found, tolerance)
    if isinstance(expected, list | tuple):
        return (
            isinstance(found, list | tuple)
            and len(expected) == len(found)
            and all(same(one, other, tolerance) for one, other in zip(expected, found, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and expected.keys() == found.keys()
            and all(same(each, found[key], tolerance) for key, each in expected.items())
        )
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, float) and isinstance(found, int | float):
        return expected == found or _close(expected, float(found), tolerance)
    return bool(expected == found)


def _close(one: float, other: float, tolerance: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=tolerance)


def _same_arrays(expected: Any, found: Any, tolerance: float) -> bool:
    if not (isinstance(expected, np.ndarray) and isinstance(found, np.ndarray)):
        return False
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return False
    if expected.dtype.kind in "fc":
        return bool(np.allclose(expected, found, rtol=tolerance, atol=0.0, equal_nan=True))
    return bool(np.array_equal(expected, found))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _is_numeric(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return DTYPE.fullmatch(value.dtype.str) is not None and value.ndim <= MAX_DIMENSIONS
    return isinstance(value, np.number | np.bool_) and not isinstance(
        value, np.complexfloating | np.longdouble
    )


def _packed(value: Any) -> Any:
    """What msgpack has no type for."""
    if not _is_numeric(value):
        raise TypeError(f"a {kind_of(value)}")
    if isinstance(value, np.ndarray):
        head = msgpack.packb([value.dtype.str, list(value.shape)])
        return msgpack.ExtType(ARRAY, head + np.ascontiguousarray(value).tobytes())
    return value.item()


def _unpacked(code: int, data: bytes) -> Any:
    if code != ARRAY:
        raise ValueError(f"an unknown extension {code}")
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data[: 16 + 10 * MAX_DIMENSIONS])
    dtype, shape = unpacker.unpack()
    if not (isinstance(dtype, str) and DTYPE.fullmatch(dtype)) or len(shape) > MAX_DIMENSIONS:
        raise ValueError("not an array of numbers")
    return np.frombuffer(data, dtype, offset=unpacker.tell()).reshape(shape).copy()
