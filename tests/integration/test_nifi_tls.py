"""``csvpipe nifi`` and the DAG at an address with TLS: faults of its certificate name the setting or the connection."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.errors import CsvPipeError, SettingsError
from dags.modules.nifi_api_client import NiFiClient
from nifi.connection import Access, open_connection
from nifi.errors import NiFiUnreachableError
from tests.support.network.certificates import CertificateAuthority
from tests.support.uploader.server import running_uploader

HOST = "127.0.0.1"
Ask = Callable[[str, str], object]


def ask_by_command(url: str, ca_file: str) -> object:
    from nipyapi.nifi import FlowApi

    return FlowApi(open_connection(f"{url}/nifi-api", Access(ca_file=ca_file))).get_about_info()


def ask_by_dag(url: str, ca_file: str) -> object:
    client = NiFiClient(api_url=f"{url}/nifi-api", listen_url=f"{url}/csv-ingest", verify=ca_file)
    client.check_ready()
    return client


CLIENTS: dict[str, tuple[Ask, str, str]] = {
    "command": (ask_by_command, "NIFI_CA_FILE: ", "--url: "),
    "DAG": (ask_by_dag, "verify of connection nifi_rest_api: ", "host or listen_url of connection nifi_rest_api: "),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", ["is not trusted", "has expired", "is for another name"])
def test_refused_certificate_names_the_setting(client: str, fault: str, tmp_path: Path) -> None:
    # The handshake fails before NiFi's own protocol begins, so any server with TLS does.
    ask, ca_setting, address_setting = CLIENTS[client]
    authority = CertificateAuthority("the test's")
    address = "192.0.2.1" if fault == "is for another name" else HOST
    certificate, key = authority.write_server_pair(tmp_path, address=address, expired=fault == "has expired")
    trusted = CertificateAuthority("another") if fault == "is not trusted" else authority
    ca_file = trusted.write_certificate(tmp_path / "ca.pem")
    setting = ca_setting if fault == "is not trusted" else address_setting
    with (
        running_uploader(tmp_path / "chunks", tls_cert_file=certificate, tls_key_file=key) as server,
        pytest.raises(CsvPipeError, match=f"{setting}.*{fault}"),
    ):
        ask(server.base_url, ca_file)


def test_unusable_client_certificate_names_its_settings(tmp_path: Path) -> None:
    certificate, key = CertificateAuthority("the test's").write_server_pair(tmp_path, address=HOST)
    key.write_text("no key")
    with pytest.raises(SettingsError, match="NIFI_CERT_FILE and NIFI_KEY_FILE"):
        open_connection("https://nifi:8443/nifi-api", Access(cert_file=str(certificate), key_file=str(key)))


def test_missing_client_certificate_is_told_from_an_answer(tmp_path: Path) -> None:
    """With TLS 1.3, the refusal comes after the client's handshake, as a response would."""
    authority = CertificateAuthority("the test's")
    certificate, key = authority.write_server_pair(tmp_path, address=HOST)
    ca_file = authority.write_certificate(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)

    def refuse(server: ssl.SSLSocket) -> None:
        with pytest.raises(ssl.SSLError):
            server.accept()

    with (
        socket.create_server((HOST, 0)) as listener,
        context.wrap_socket(listener, server_side=True) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        refused = pool.submit(refuse, server)
        with pytest.raises(NiFiUnreachableError, match="does not answer"):
            ask_by_command(f"https://{HOST}:{server.getsockname()[1]}", ca_file)
        refused.result()
