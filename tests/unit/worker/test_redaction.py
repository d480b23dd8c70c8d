"""No password is shown, whatever it is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.redaction import mask_credentials

VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@pytest.mark.parametrize(
    ("shown", "url"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("rediss://***@host:6380/0", "rediss://worker:secret@host:6380/0"),
        ("redis://***@host/0", "redis://:secret@host/0"),
        ("redis://***@host/0", "redis://:sec/r@et@host/0"),
        ("redis://***@host/0", "redis://:sec ret@host/0"),
        ("--broker=redis://***@host/0", "--broker=redis://:secret@host/0"),
        ("redis+socket:///run/r.sock?password=***&db=1", "redis+socket:///run/r.sock?password=secret&db=1"),
        ("***@host/0", "user:pa/ss@host/0"),
        ("--broker=***@host", "--broker=user:se=cret@host"),
        ("host:6379", "host:6379"),
    ],
)
def test_a_url_keeps_all_but_who_logs_in(shown: str, url: str):
    assert mask_credentials(url) == shown


@given(user=VISIBLE, password=VISIBLE.filter(lambda each: len(each) > 3))
def test_no_part_of_a_password_is_left(user: str, password: str):
    assert mask_credentials(f"rediss://{user}:{password}@host:6380/0") == "rediss://***@host:6380/0"


@given(VISIBLE)
def test_masking_twice_changes_nothing(word: str):
    assert mask_credentials(mask_credentials(word)) == mask_credentials(word)
