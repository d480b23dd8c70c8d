"""Payloads as bare bytes and back, without pickle: the reference carries the shape.

A reference is one of

    {"url": "http://..."}                            a URL itself
    {..., "size": 190123, "shape": null}             an encoded picture
    {..., "size": 1920000, "shape": [800, 800, 3]}   pixels, uint8, C order; of other numbers, with their "dtype"
    {..., "size": 31, "shape": null, "dtype": "value"}   a value of a user's function
"""

from __future__ import annotations

import base64
import math
from typing import Any, Final

import numpy as np

from worker.contract import Payload
from worker.payloads.transport import VALUE, PayloadMissingError, Reference, check_layout
from worker.values import EncodedValue, decode

PLAIN_KINDS: Final = "biufc"  # of NumPy's dtypes: numbers, and no objects


def as_bytes(payload: Payload) -> bytes | memoryview:
    """Return the payload's memory, copied only if an array is not contiguous; `TypeError` for Python objects."""
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, bytes):
        return payload
    if payload.dtype.kind not in PLAIN_KINDS:
        raise TypeError(f"an array of {payload.dtype} cannot be a payload; only plain numbers travel")
    return np.ascontiguousarray(payload).reshape(-1).view(np.uint8).data


def layout(payload: bytes | np.ndarray) -> Reference:
    """Return the part of a reference that `from_bytes` needs."""
    if isinstance(payload, EncodedValue):
        return {"size": len(payload), "shape": None, "dtype": VALUE}
    if isinstance(payload, bytes):
        return {"size": len(payload), "shape": None}
    known: Reference = {"size": payload.nbytes, "shape": list(payload.shape)}
    return known if payload.dtype == np.uint8 else {**known, "dtype": payload.dtype.str}


def from_bytes(raw: bytes | memoryview, reference: Reference) -> Payload:
    """Return the payload in `raw`, an array as a view of it, or raise `PayloadMissingError`."""
    try:
        check_layout(reference)
        size, shape = reference["size"], reference["shape"]
        named = reference.get("dtype", "|u1")
        dtype = np.dtype("|u1" if named == VALUE else named)
    except (ValueError, TypeError, KeyError) as error:
        raise PayloadMissingError(f"invalid reference: {error}") from None
    if len(raw) != size:
        raise PayloadMissingError(f"payload of {len(raw)} bytes where {size} were stored")
    if named == VALUE:
        return _value_in(raw)
    if shape is None:
        return bytes(raw)
    if math.prod(shape) * dtype.itemsize != size:
        raise PayloadMissingError(f"payload of {size} bytes that is not a {dtype} array of shape {shape}")
    try:
        values: Any = np.frombuffer(raw, dtype=dtype).reshape(shape)
    except ValueError as error:  # an empty array with a side too large for NumPy
        raise PayloadMissingError(
            f"payload of {size} bytes that is not an array of shape {shape}: {error}"
        ) from None
    payload: Payload = values
    return payload


def to_base64(payload: Payload) -> Reference:
    """Return a reference with the payload in it, as values of JSON."""
    if isinstance(payload, str):
        return {"url": payload}
    return {"base64": base64.b64encode(as_bytes(payload)).decode(), **layout(payload)}


def from_base64(reference: Reference) -> Payload:
    """Return the payload in a reference, or raise `PayloadMissingError`."""
    if "url" in reference:
        return str(reference["url"])
    try:
        raw = base64.b64decode(reference["base64"], validate=True)
    except (ValueError, TypeError, KeyError) as error:
        raise PayloadMissingError(f"invalid reference: {error}") from None
    return from_bytes(raw, reference)


def _value_in(raw: bytes | memoryview) -> Payload:
    try:
        value: Payload = decode(raw)
    except ValueError as error:
        raise PayloadMissingError(f"payload of {len(raw)} bytes: {error}") from None
    return value
