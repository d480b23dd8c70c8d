"""Settings of encrypted connections: verification is always on, and a file that cannot be used is named."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from worker.app import make_app
from worker.settings import Settings, SettingsError, read_settings

FILES = ("BREAKEVEN_TLS_CA", "BREAKEVEN_TLS_CERT", "BREAKEVEN_TLS_KEY")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*FILES, "BREAKEVEN_BROKER_URL", "BREAKEVEN_PAYLOAD_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    authority = trustme.CA()
    certificate = authority.issue_cert("client")
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "client.crt")
    certificate.private_key_pem.write_to_path(tmp_path / "client.key")
    names = {"tls_ca": "ca.crt", "tls_cert": "client.crt", "tls_key": "client.key"}
    return {field: str(tmp_path / name) for field, name in names.items()}


def complaint(**given: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(**given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_certificate_and_host_name_are_verified_with_and_without_files(files: dict[str, str]):
    for settings in (Settings(), Settings(**files)):
        assert settings.tls["ssl_cert_reqs"] is ssl.CERT_REQUIRED
        assert settings.tls["ssl_check_hostname"] is True


def test_files_are_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, files: dict[str, str]):
    for field, file in files.items():
        monkeypatch.setenv(f"BREAKEVEN_{field.upper()}", file)
    assert read_settings().tls["ssl_ca_certs"] == files["tls_ca"]
    assert read_settings().tls["ssl_certfile"] == files["tls_cert"]
    assert read_settings().tls["ssl_keyfile"] == files["tls_key"]


def test_kombu_and_the_result_backend_are_told_to_verify(files: dict[str, str]):
    conf = make_app(Settings(broker_url="rediss://host:6380/0", **files)).conf
    assert conf.broker_use_ssl == conf.redis_backend_use_ssl == Settings(**files).tls


def test_a_broker_without_tls_is_spoken_to_plainly(files: dict[str, str]):
    conf = make_app(Settings(broker_url="redis://host:6379/0", **files)).conf
    assert not conf.broker_use_ssl
    assert not conf.redis_backend_use_ssl


@pytest.mark.parametrize("field", ["broker_url", "payload_url"])
@pytest.mark.parametrize(
    "query", ["ssl_cert_reqs=none", "ssl_cert_reqs=required", "ssl_check_hostname=false"]
)
def test_a_url_that_says_how_to_verify_is_refused_without_its_password(field: str, query: str):
    message = complaint(**{field: f"rediss://worker:secret@host:6380/0?{query}"})
    assert f"rediss://***@host:6380/0?{query} has {query.split('=')[0]} in its query" in message
    assert "name files with BREAKEVEN_TLS_CA, BREAKEVEN_TLS_CERT and BREAKEVEN_TLS_KEY" in message


def test_an_authority_s_file_that_is_not_there_is_named(tmp_path: Path):
    assert f"BREAKEVEN_TLS_CA={tmp_path}/no.crt cannot be used (No such file" in complaint(
        tls_ca=f"{tmp_path}/no.crt"
    )


def test_a_file_with_no_certificate_in_it_is_named(tmp_path: Path):
    (tmp_path / "ca.crt").write_text("no certificate")
    assert "cannot be used (no certificate or crl found)" in complaint(tls_ca=f"{tmp_path}/ca.crt")


@pytest.mark.parametrize("given", ["tls_cert", "tls_key"])
def test_certificate_and_key_come_together(files: dict[str, str], given: str):
    assert "must both be set or both be unset" in complaint(**{given: files[given]})


def test_a_key_of_another_certificate_is_refused(files: dict[str, str], tmp_path: Path):
    trustme.CA().issue_cert("other").private_key_pem.write_to_path(tmp_path / "other.key")
    assert "cannot be used (key values mismatch)" in complaint(
        **{**files, "tls_key": f"{tmp_path}/other.key"}
    )


def test_other_variables_are_named_with_what_is_wrong(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BREAKEVEN_TASK_TIME_LIMIT_S", "soon")
    assert complaint().startswith("BREAKEVEN_TASK_TIME_LIMIT_S=soon: input should be a valid integer")
