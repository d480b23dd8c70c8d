"""Settings from files among Docker's secrets, and the broker that the command line takes from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.planning.options import EMBEDDED, broker_url
from worker.settings import Settings, read_settings

URL = "redis://:hush@redis:6379/0"


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is Docker's for this test, with a broker's URL in it; no variable is set."""
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path)
    monkeypatch.delenv("BREAKEVEN_BROKER_URL", raising=False)
    (tmp_path / "breakeven_broker_url").write_text(f"{URL}\n", encoding="utf-8")
    return tmp_path


def test_a_secret_is_a_setting(secrets: Path) -> None:
    assert read_settings().broker_url == URL


def test_a_variable_goes_before_a_secret_unless_it_is_empty(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAKEVEN_BROKER_URL", "")
    assert read_settings().broker_url == URL
    monkeypatch.setenv("BREAKEVEN_BROKER_URL", "redis://elsewhere:6379/0")
    assert read_settings().broker_url == "redis://elsewhere:6379/0"


def test_the_broker_among_the_secrets_need_not_be_named(secrets: Path) -> None:
    assert broker_url(None) == URL


def test_another_may_be_named_and_so_may_an_embedded_one(secrets: Path) -> None:
    assert (broker_url("redis://other:1"), broker_url(EMBEDDED)) == ("redis://other:1", None)


def test_without_a_secret_and_a_variable_it_is_embedded(secrets: Path) -> None:
    (secrets / "breakeven_broker_url").unlink()
    assert broker_url(None) is None


def test_a_secret_that_makes_no_sense_is_told_without_it(secrets: Path) -> None:
    (secrets / "breakeven_broker_url").write_text(f"{URL}?ssl_cert_reqs=none", encoding="utf-8")
    with pytest.raises(UsageError) as told:
        broker_url(None)
    assert "hush" not in str(told.value)
