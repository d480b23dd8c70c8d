"""Certificates over a real handshake: what does not verify is refused by every client, in one clear line."""

from __future__ import annotations

import asyncio
import datetime
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from flower.utils.broker import Broker as FlowersBroker

from orchestrator.errors import UnavailableError
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.external import external_fleet, inspect_broker
from tests.command_line import orchestrator
from tests.security.secured import (
    Secured,
    TlsFront,
    clean_environment,
    secured_broker,
    server_context,
)
from worker.app import make_app
from worker.payloads.redis import connect
from worker.settings import Settings

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Lab:
    """A secured broker, and doors to it whose certificate is wrong in one way each."""

    secured: Secured
    ports: dict[str, int]

    def settings(self, door: str = "good", **changes: str | None) -> Settings:
        known = self.secured.settings("orchestrator")
        url = known.broker_url.replace(
            f":{self.secured.port}/", f":{self.ports.get(door, self.secured.port)}/"
        )
        return known.model_copy(update={"broker_url": url, **changes})


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with ExitStack() as stack:
        processes = stack.enter_context(ChildProcesses())
        secured = stack.enter_context(secured_broker(processes, tmp_path_factory.mktemp("lab")))
        folder = secured.secrets / "broker"
        stranger = trustme.CA()
        stranger.cert_pem.write_to_path(folder / "stranger-ca.crt")
        doors = {
            "stranger": stranger.issue_cert("localhost"),
            "stranger's client": stranger.issue_cert("client"),
        }
        ours = trustme.CA()
        ours.cert_pem.write_to_path(folder / "ours.crt")
        doors["other name"] = ours.issue_cert("broker.example")
        doors["expired"] = ours.issue_cert("localhost", not_after=PAST)
        ports = {}
        for name, certificate in doors.items():
            certificate.private_key_pem.write_to_path(folder / f"{name}.key")
            certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.crt")
            front = stack.enter_context(TlsFront(server_context(folder, name), secured.socket))
            ports[name] = front.port
        yield Lab(secured, ports)


def file(lab: Lab, name: str) -> str:
    return str(lab.secured.secrets / "broker" / name)


def refused(settings: Settings) -> str:
    with pytest.raises(UnavailableError) as caught:
        inspect_broker(settings, embedded=False)
    message = str(caught.value)
    assert "\n" not in message
    assert lab_password(settings) not in message
    return message


def lab_password(settings: Settings) -> str:
    return re.search(r"//\w+:(\w+)@", settings.broker_url)[1]


def test_the_right_files_let_the_orchestrator_in(lab: Lab):
    assert inspect_broker(lab.settings(), embedded=False).name == "valkey"


def test_an_authority_that_is_not_named_is_not_trusted(lab: Lab):
    message = refused(lab.settings(tls_ca=None))
    assert "denied access: its certificate is signed by an authority that is not trusted here" in message
    assert "name the file of that authority's certificate with BREAKEVEN_TLS_CA (now not set)" in message


def test_another_authority_s_certificate_is_refused(lab: Lab):
    message = refused(lab.settings("stranger"))
    assert "signed by an authority that is not trusted here" in message
    assert f"BREAKEVEN_TLS_CA (now {lab.settings().tls_ca})" in message


def test_a_certificate_for_another_name_is_refused(lab: Lab):
    message = refused(lab.settings("other name", tls_ca=file(lab, "ours.crt")))
    assert "its certificate is for another name (Hostname mismatch" in message
    assert "; use a name in the certificate" in message


def test_an_expired_certificate_is_refused(lab: Lab):
    message = refused(lab.settings("expired", tls_ca=file(lab, "ours.crt")))
    assert "its certificate has expired; renew it" in message


def test_a_server_that_wants_our_certificate_says_so(lab: Lab):
    message = refused(lab.settings(tls_cert=None, tls_key=None))
    assert (
        "it requires a client certificate; name one with BREAKEVEN_TLS_CERT and BREAKEVEN_TLS_KEY" in message
    )


def test_a_certificate_of_ours_that_the_server_does_not_trust_is_named(lab: Lab):
    """Its alert comes after our side is done, and may be lost when the connection ends: then its log knows."""
    files = {"tls_cert": file(lab, "stranger's client.crt"), "tls_key": file(lab, "stranger's client.key")}
    message = refused(lab.settings(**files))
    alert = "it rejected our certificate (unknown ca); name one that its authority"
    assert alert in message or "see in its log whether it accepts the certificate" in message


def test_plain_redis_where_tls_was_expected_is_told_apart(lab: Lab):
    settings = lab.settings()
    plain = settings.model_copy(update={"broker_url": settings.broker_url.replace("rediss://", "redis://")})
    said = refused(plain)
    assert "write rediss://***@localhost:" in said
    assert "/0 if that port speaks TLS, see if it runs" in said


def test_a_wrong_password_is_told_as_such(lab: Lab):
    settings = lab.settings()
    wrong = settings.model_copy(
        update={"broker_url": settings.broker_url.replace(lab_password(settings), "guessed")}
    )
    assert "it rejected the password; give it in the URL: rediss://USER:PASSWORD@localhost:" in refused(wrong)


def test_a_right_that_is_missing_is_named(lab: Lab):
    settings = lab.settings()
    worker = settings.model_copy(update={"broker_url": lab.secured.url("worker")})
    message = refused(worker)
    assert "its user may not run 'info'" in message
    assert "docker/redis/users.acl" in message


def test_a_right_that_is_missing_later_is_named_too(lab: Lab):
    """Asking what server it is goes well, and asking the workers does not."""
    settings = lab.settings()
    with lab.secured.administrator() as client:
        client.acl_setuser("half", enabled=True, passwords=["+half"], commands=["+ping", "+info"], keys=["*"])
    url = re.sub(r"//\w+:\w+@", "//half:half@", settings.broker_url)
    message = r"\*\*\*@localhost.* denied access: its user may not run '\w+'.*'ACL LOG'"
    with (
        pytest.raises(UnavailableError, match=message),
        external_fleet(settings.model_copy(update={"broker_url": url})),
    ):
        pass


def over_kombu(settings: Settings) -> None:
    with make_app(settings).connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=5)


def over_the_result_backend(settings: Settings) -> None:
    make_app(settings).backend.client.ping()


def over_the_payload_store(settings: Settings) -> None:
    with connect(settings.payload_store_url, tls=settings.tls) as client:
        client.ping()


def over_a_client_that_was_given_no_files(settings: Settings) -> None:
    with connect(settings.payload_store_url) as client:
        client.ping()


def over_flower(settings: Settings) -> None:
    conf = make_app(settings).conf
    broker = FlowersBroker(settings.broker_url, broker_use_ssl=conf.broker_use_ssl)
    asyncio.run(broker.queues(["breakeven"]))


CLIENTS = [over_kombu, over_the_result_backend, over_the_payload_store, over_flower]


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_gets_in_with_the_right_files(lab: Lab, client: Callable[[Settings], None]):
    settings = lab.settings()
    if client is over_flower:
        settings = settings.model_copy(update={"broker_url": lab.secured.url("flower")})
    client(settings)


@pytest.mark.parametrize("client", [*CLIENTS, over_a_client_that_was_given_no_files])
@pytest.mark.parametrize("door", ["stranger", "other name", "expired"])
def test_no_client_goes_on_with_a_certificate_that_does_not_verify(
    lab: Lab, door: str, client: Callable[[Settings], None]
):
    settings = lab.settings(door, tls_ca=file(lab, "ca.crt" if door == "stranger" else "ours.crt"))
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        client(settings)


def test_doctor_ends_with_3_and_a_line_where_the_authority_is_unknown(tmp_path, lab: Lab):
    environment = {**lab.secured.environment, "BREAKEVEN_TLS_CA": ""}
    done = orchestrator("doctor", "--broker", lab.secured.url("orchestrator"), cwd=tmp_path, **environment)
    assert done.returncode == 3
    assert "signed by an authority that is not trusted here" in done.stdout
    assert "-> name the file of that authority's certificate with BREAKEVEN_TLS_CA" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_run_ends_with_3_and_a_line_where_the_password_is_wrong(tmp_path, lab: Lab):
    url = lab.secured.url("orchestrator").replace(lab.secured.password("orchestrator"), "guessed")
    done = orchestrator("run", "--broker", url, cwd=tmp_path, **lab.secured.environment)
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("orchestrator: the broker rediss://***@localhost")
    assert "rejected the password" in line


def started_worker(**variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "worker"]
    return subprocess.run(
        command, env=clean_environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"BREAKEVEN_TLS_CA": ""}, "signed by an authority that is not trusted here"),
        ({"BREAKEVEN_TLS_CERT": "", "BREAKEVEN_TLS_KEY": ""}, "it requires a client certificate"),
        ({"password": "guessed"}, "it rejected the password"),
    ],
    ids=["unknown authority", "no certificate", "wrong password"],
)
def test_a_worker_that_is_turned_away_says_why_and_ends_with_3(lab: Lab, changes: dict[str, str], why: str):
    password = lab.secured.password("worker")
    url = lab.secured.url("worker").replace(password, changes.get("password", password))
    files = {**lab.secured.environment, **{name: value for name, value in changes.items() if name.isupper()}}
    done = started_worker(BREAKEVEN_BROKER_URL=url, **files)
    assert done.returncode == 3, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("breakeven:")]
    assert line.startswith("breakeven: the broker rediss://***@localhost")
    assert why in line
    assert "Traceback" not in done.stderr
    assert password not in done.stderr + done.stdout


def test_a_setting_that_makes_no_sense_ends_a_worker_with_2_and_a_line(tmp_path: Path):
    done = started_worker(BREAKEVEN_TLS_CA=str(tmp_path / "nowhere.crt"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("breakeven: BREAKEVEN_TLS_CA=")
    assert "No such file" in line
