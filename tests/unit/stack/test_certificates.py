"""Certificates of a secure stack: who trusts whom, and when they are issued again."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack.certificates import Certificates


class FakeClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    found = Certificates(tmp_path / "certificates", host="127.0.0.1")
    found.renew()
    return found


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_client_with_a_certificate_reaches_a_server(certificates: Certificates, name: str) -> None:
    _handshake(certificates, server="nifi", client="admin", name=name)


@pytest.mark.parametrize(
    ("server", "client", "name"),
    [
        ("nifi", None, "localhost"),  # no certificate
        ("nifi", "minio", "localhost"),  # one for servers only
        ("admin", "airflow", "localhost"),  # a client that passes for a server
        ("nifi", "admin", "example.org"),  # another name
    ],
)
def test_wrong_certificate_or_name_ends_the_handshake(
    certificates: Certificates, server: str, client: str | None, name: str
) -> None:
    with pytest.raises(ssl.SSLError):
        _handshake(certificates, server=server, client=client, name=name)


def test_another_stacks_authority_is_not_trusted(certificates: Certificates, tmp_path: Path) -> None:
    other = Certificates(tmp_path / "other", host="127.0.0.1")
    other.renew()
    with pytest.raises(ssl.SSLError):
        _handshake(certificates, server="nifi", client="admin", name="localhost", trusted=other.ca_file)


def test_private_keys_are_readable_only_by_the_owner(certificates: Certificates) -> None:
    keys = list(certificates.ca_file.parent.glob("*.key"))
    assert len(keys) == 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_certificates_are_issued_again_shortly_before_they_expire(tmp_path: Path) -> None:
    clock = FakeClock()
    certificates = Certificates(tmp_path, host="127.0.0.1", clock=clock)
    assert certificates.renew()[0] == "ca"
    clock.now += timedelta(days=300)
    assert certificates.renew() == []
    clock.now += timedelta(days=36)
    assert sorted(certificates.renew()) == sorted(
        ["admin", "airflow", "kafka", "minio", "monitoring", "nifi", "uploader"]
    )
    clock.now += timedelta(days=3400)
    assert certificates.renew()[0] == "ca"


def test_another_host_gets_certificates_with_its_name(tmp_path: Path) -> None:
    Certificates(tmp_path, host="127.0.0.1").renew()
    elsewhere = Certificates(tmp_path, host="stack.example")
    assert "uploader" in elsewhere.renew()
    _handshake(elsewhere, server="nifi", client="admin", name="stack.example")


def _handshake(
    certificates: Certificates, *, server: str, client: str | None, name: str, trusted: Path | None = None
) -> None:
    """Connect to a server that requires a client certificate, and exchange a byte in both directions."""
    accepting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca_file))
    accepting.verify_mode = ssl.CERT_REQUIRED
    accepting.load_cert_chain(certificates.files(server).certificate, certificates.files(server).key)
    connecting = ssl.create_default_context(cafile=str(trusted or certificates.ca_file))
    if client is not None:
        connecting.load_cert_chain(certificates.files(client).certificate, certificates.files(client).key)
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            with accepting.wrap_socket(far, server_side=True) as connection:
                connection.sendall(connection.recv(1))
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with connecting.wrap_socket(near, server_hostname=name) as connection:
            connection.sendall(b"x")
            if connection.recv(1) != b"x":
                raise ssl.SSLError("the server closed the connection")
    finally:
        near.close()
        thread.join()
