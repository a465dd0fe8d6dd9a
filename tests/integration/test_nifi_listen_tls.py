"""Mutual TLS of ListenHTTP in a real NiFi: who may post, how it is turned on, renewed and turned off."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import trustme
from typer.testing import CliRunner

from csvpipe.commands.nifi import app
from dags.modules.errors import NiFiRefusedError, NiFiUnreachableError
from dags.modules.nifi_api_client import NiFiClient
from nifi.definition import FLOW_FILE
from nifi.errors import MissingParameterError
from nifi.export import export
from nifi.listen_tls import LISTEN_TLS, ListenTls, tls_parameters
from tests.support.network.served_certificate import wait_until_served
from tests.support.nifi.fake_chunk_source import FakeChunkSource
from tests.support.nifi.server import NiFiServer

ROWS = b"id\r\n1\r\n"
AIRFLOW = r"CN=airflow,.*"


class Certificates:
    """A CA with the certificate of ListenHTTP, as PEM files in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.directory = directory
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(self.authority.cert_pem.bytes())
        self.server = self.issue("127.0.0.1", common_name="nifi")

    def issue(self, *names: str, common_name: str, authority: trustme.CA | None = None) -> tuple[Path, Path]:
        """Return the files of a new certificate and of its key, which is an RSA key, as NiFi reads its form."""
        issued = (authority or self.authority).issue_cert(*names, common_name=common_name, key_type=trustme.KeyType.RSA)
        certificate, key = (self.directory / f"{common_name}.{kind}.pem" for kind in ("certificate", "key"))
        certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return certificate, key

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the flow that turn mutual TLS on."""
        certificate, key = self.server
        return tls_parameters(certificate=certificate, key=key, ca=self.ca, authorized_subject=AIRFLOW)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(nifi: NiFiServer, certificates: Certificates) -> Iterator[NiFiServer]:
    """Give NiFi with mutual TLS on ListenHTTP; turn it off again afterwards."""
    nifi.deploy(parameters={**nifi.parameters(), **certificates.parameters()})
    try:
        yield nifi
    finally:
        nifi.deploy(parameters={**nifi.parameters(), LISTEN_TLS: ListenTls.NONE})


def _client(server: NiFiServer, certificates: Certificates, cert: tuple[Path, Path] | None) -> NiFiClient:
    """Return the DAG's own client."""
    return NiFiClient(
        api_url=f"{server.url}/nifi-api",
        listen_url=server.component.addresses()["ingest"].replace("http://", "https://"),
        verify=str(certificates.ca),
        cert=None if cert is None else (str(cert[0]), str(cert[1])),
        sleep=lambda _: None,
    )


def test_authorized_client_posts_and_the_chunk_lands(
    secured: NiFiServer, certificates: Certificates, source: FakeChunkSource
) -> None:
    message = source.offer(ROWS, dataset="authorized")
    client = _client(secured, certificates, certificates.issue("a", common_name="airflow"))

    client.check_ready()
    client.send(message.to_bytes())

    assert secured.wait_landed(message) == ROWS
    assert secured.status().listen_tls is ListenTls.MUTUAL
    assert secured.status().faults == []


def test_client_without_a_certificate_gets_no_connection(
    secured: NiFiServer, certificates: Certificates, source: FakeChunkSource
) -> None:
    message = source.offer(ROWS, dataset="nameless")
    with pytest.raises(NiFiUnreachableError, match=r"(?i)certificate|ssl|reset|aborted"):
        _client(secured, certificates, None).send(message.to_bytes())
    with pytest.raises(httpx.TransportError):
        secured.post(message.to_bytes()).raise_for_status()
    assert not source.hits


def test_certificate_of_another_authority_gets_no_connection(
    secured: NiFiServer, certificates: Certificates, source: FakeChunkSource
) -> None:
    foreign = certificates.issue("a", common_name="airflow", authority=trustme.CA())
    with pytest.raises(NiFiUnreachableError):
        _client(secured, certificates, foreign).send(source.offer(ROWS).to_bytes())
    assert not source.hits


@pytest.mark.parametrize("name", ["stranger", "airflow-2", "not airflow", "x,CN=airflow"])
def test_other_subject_of_the_authority_is_refused(
    secured: NiFiServer, certificates: Certificates, source: FakeChunkSource, name: str
) -> None:
    client = _client(secured, certificates, certificates.issue("a", common_name=name))
    with pytest.raises(NiFiRefusedError, match=str(HTTPStatus.FORBIDDEN.value)):
        client.send(source.offer(ROWS).to_bytes())
    assert not source.hits


def test_repeated_deployment_keeps_tls(secured: NiFiServer, tmp_path: Path) -> None:
    assert not secured.deploy().changed

    path = tmp_path / "flow.json"
    path.write_text(FLOW_FILE.read_text())
    secured.deploy(scheduling={})
    assert secured.status().changes == []
    assert export(url=secured.url, flow_file=path) == []
    assert path.read_text() == FLOW_FILE.read_text(), "the flow in git is that without TLS, and has no certificate"
    secured.deploy()


def test_renewed_certificate_is_used_without_a_restart(
    secured: NiFiServer, certificates: Certificates, source: FakeChunkSource
) -> None:
    cert, key = certificates.issue("127.0.0.1", common_name="nifi-renewed")

    secured.deploy(parameters={**secured.parameters(), **tls_parameters(certificate=cert, key=key)})

    wait_until_served(secured.stack.context.settings.nifi_ingest_port, cert)
    message = source.offer(ROWS, dataset="renewed")
    _client(secured, certificates, certificates.issue("a", common_name="airflow")).send(message.to_bytes())
    assert secured.wait_landed(message) == ROWS


def test_command_turns_tls_on_and_off(nifi: NiFiServer, certificates: Certificates, source: FakeChunkSource) -> None:
    certificate, key = certificates.server
    own = [f"--set={name}={value}" for name, value in nifi.parameters().items()]
    common = ["deploy", "--url", nifi.url, *own]
    options = ["--tls-certificate", certificate, "--tls-key", key, "--tls-ca", certificates.ca]
    subject = ["--tls-authorized-subject", AIRFLOW]

    on = CliRunner().invoke(app, [*common, *map(str, options), *subject])

    assert on.exit_code == 0, on.output
    assert "PRIVATE KEY" not in on.output
    assert f"subject matches {AIRFLOW}" in CliRunner().invoke(app, ["status", "--url", nifi.url]).output
    nifi.component.await_ingest()
    client = _client(nifi, certificates, certificates.issue("a", common_name="airflow"))
    message = source.offer(ROWS, dataset="command")
    client.send(message.to_bytes())
    assert nifi.wait_landed(message) == ROWS

    off = CliRunner().invoke(app, [*common, "--no-tls"])

    assert off.exit_code == 0, off.output
    nifi.component.await_ingest()
    message = source.offer(ROWS, dataset="plain")
    nifi.send(message)
    assert nifi.wait_landed(message) == ROWS
    assert nifi.status().listen_tls is ListenTls.NONE
    nifi.deploy()


def test_missing_certificate_is_named_before_anything_changes(nifi: NiFiServer) -> None:
    before = nifi.status()
    fresh = {LISTEN_TLS: ListenTls.MUTUAL, "listen.tls.key": ""}
    with pytest.raises(MissingParameterError, match=r"listen\.tls\.key .*NIFI_LISTEN_TLS_KEY"):
        nifi.deploy(parameters={**nifi.parameters(), **fresh})
    assert nifi.status().listen_tls is before.listen_tls
