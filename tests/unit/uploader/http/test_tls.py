"""TLS: what is accepted, what is refused, limits before the handshake, and certificates that are replaced."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from contracts.errors import SettingsError
from tests.support.network.certificates import CertificateAuthority
from tests.support.uploader.raw_http import HEALTH, connected
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.healthcheck import find_health_fault
from uploader.http.server_certificate import ServerCertificate
from uploader.settings import load_settings

HOST = "127.0.0.1"


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[RunningUploader]:
    (tmp_path / "certificates").mkdir()
    with running_uploader(tmp_path / "chunks", certificates=tmp_path / "certificates", max_connections=8) as server:
        yield server


@pytest.fixture
def authority() -> CertificateAuthority:
    return CertificateAuthority("the test's")


def serial_seen(port: int) -> int:
    """Return the serial number of the certificate that a new connection gets."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((HOST, port), timeout=30).encode()).serial_number


def serial_of(certificate: Path) -> int:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number


def test_new_connections_get_a_replaced_certificate_and_open_ones_continue(
    secured: RunningUploader, authority: CertificateAuthority, tmp_path: Path
) -> None:
    settings = secured.runtime.settings
    assert settings.tls_cert_file is not None
    first = serial_seen(secured.port)
    with connected(secured.port, tls=secured.client_tls) as connection:
        connection.send(HEALTH)
        assert connection.next().status == 200
        authority.write_server_pair(settings.tls_cert_file.parent, address=HOST)
        assert serial_seen(secured.port) == serial_of(settings.tls_cert_file) != first
        connection.send(HEALTH)
        assert connection.next().status == 200


def test_unusable_replacement_is_logged_once_and_the_previous_certificate_stays(
    secured: RunningUploader, authority: CertificateAuthority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = secured.runtime.settings
    assert settings.tls_cert_file is not None
    first = serial_seen(secured.port)
    other, key = authority.write_server_pair(tmp_path, address=HOST)
    shutil.copy(other, settings.tls_cert_file)
    assert [serial_seen(secured.port) for _ in range(3)] == [first] * 3
    errors = [vars(record)["error"] for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "TLS_KEY_FILE" in errors[0]
    assert settings.tls_key_file is not None
    shutil.copy(key, settings.tls_key_file)
    assert serial_seen(secured.port) == serial_of(other)


def test_connections_before_the_handshake_are_limited_like_idle_ones(secured: RunningUploader) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(secured.port)) for _ in range(20)]
        silent[-1].send(b"\x16\x03\x01")
        with connected(secured.port, tls=secured.client_tls) as late:
            late.send(HEALTH)
            assert late.next().status == 200
        assert all(each.is_closed() for each in silent[: 20 + 1 - 8])


def test_connections_before_the_handshake_time_out(tmp_path: Path) -> None:
    (tmp_path / "certificates").mkdir()
    with (
        running_uploader(tmp_path / "chunks", certificates=tmp_path / "certificates", request_timeout_s=0.5) as hasty,
        connected(hasty.port) as silent,
        connected(hasty.port) as stalled,
    ):
        stalled.send(b"\x16\x03\x01")
        assert silent.is_closed()
        assert stalled.is_closed()


def test_request_without_tls_is_told_to_use_https(secured: RunningUploader) -> None:
    with connected(secured.port) as connection:
        connection.send(HEALTH)
        assert connection.next().problem["code"] == "tls_required"
        assert connection.is_closed()


def test_version_before_tls_1_2_is_refused(secured: RunningUploader, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "uploader.http.tls_handshake")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection((HOST, secured.port)) as peer, pytest.raises(ssl.SSLError):
        context.wrap_socket(peer)
    wait_until(
        lambda: any("UNSUPPORTED_PROTOCOL" in vars(record).get("error", "") for record in caplog.records),
        what="the refusal is logged",
        deadline_s=20,
    )


def test_request_in_one_segment_with_the_end_of_the_handshake_is_answered(secured: RunningUploader) -> None:
    context = secured.client_tls
    assert context is not None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
    with socket.create_connection((HOST, secured.port), timeout=30) as peer:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                peer.sendall(outgoing.read())
                incoming.write(peer.recv(65536))
        tls.write(HEALTH)
        peer.sendall(outgoing.read())
        answer = b""
        while b"HTTP/1.1 200 OK" not in answer:
            incoming.write(peer.recv(65536))
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                continue


def test_addresses_are_https_and_the_health_check_uses_it(secured: RunningUploader) -> None:
    settings = secured.runtime.settings
    assert settings.base_url == f"https://127.0.0.1:{secured.port}"
    assert find_health_fault(settings) is None


def test_connection_is_closed_after_a_malformed_request(secured: RunningUploader) -> None:
    with connected(secured.port, tls=secured.client_tls) as connection:
        connection.send(b"NO HTTP\r\n\r\n")
        assert connection.next().status == 400
        assert connection.is_closed()


@pytest.mark.parametrize(
    ("fault", "setting"),
    [
        ("certificate missing", "TLS_CERT_FILE"),
        ("key missing", "TLS_KEY_FILE"),
        ("key of another", "TLS_KEY_FILE"),
        ("key encrypted", "TLS_KEY_FILE"),
        ("key is no key", "TLS_KEY_FILE"),
        ("certificate is no certificate", "TLS_CERT_FILE"),
    ],
)
def test_unusable_file_is_an_error_that_names_its_setting(
    authority: CertificateAuthority, tmp_path: Path, fault: str, setting: str
) -> None:
    certificate, key = authority.write_server_pair(tmp_path, address=HOST)
    match fault:
        case "certificate missing":
            certificate.unlink()
        case "key missing":
            key.unlink()
        case "key of another":
            authority.write_server_pair(tmp_path, address=HOST, names=("other.pem", "key.pem"))
        case "key encrypted":
            key.write_bytes(encrypted_key())
        case "key is no key":
            key.write_text("no key")
        case "certificate is no certificate":
            certificate.write_text("no certificate")
    settings = load_settings(tls_cert_file=certificate, tls_key_file=key)
    with pytest.raises(SettingsError, match=f"^{setting}: .*{tmp_path}"):
        ServerCertificate.from_settings(settings)


@pytest.mark.parametrize(("given", "missing"), [("tls_cert_file", "TLS_KEY_FILE"), ("tls_key_file", "TLS_CERT_FILE")])
def test_certificate_without_key_and_key_without_certificate_are_refused(given: str, missing: str) -> None:
    with pytest.raises(SettingsError, match=f"{missing} is required"):
        load_settings(**{given: Path("/file.pem")})


def encrypted_key() -> bytes:
    """Return a private key with a passphrase."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))
