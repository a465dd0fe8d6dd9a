"""The client and the certificate of an uploader that serves HTTPS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from contracts.errors import SettingsError
from csvpipe.client import UploaderClient
from stack.certificates import Certificates


class FakeUploader(BaseHTTPRequestHandler):
    """Answers every GET with an empty page of uploads."""

    def do_GET(self) -> None:
        body = b'{"uploads": [], "next_cursor": null}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    found = Certificates(tmp_path / "certificates", host="127.0.0.1")
    found.renew()
    return found


@pytest.fixture
def port(certificates: Certificates) -> Iterator[int]:
    files = certificates.files("uploader")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    with HTTPServer(("127.0.0.1", 0), FakeUploader) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_authority_of_the_setting_is_trusted(certificates: Certificates, port: int) -> None:
    with UploaderClient(f"https://127.0.0.1:{port}", ca_file=str(certificates.ca_file)) as client:
        assert client.list_uploads({}).uploads == []


def test_unknown_authority_names_the_setting(port: int, tmp_path: Path) -> None:
    other = Certificates(tmp_path / "other", host="127.0.0.1")
    other.renew()
    for ca_file in (None, str(other.ca_file)):
        with (
            UploaderClient(f"https://127.0.0.1:{port}", ca_file=ca_file) as client,
            pytest.raises(SettingsError, match="CSVPIPE_CA_FILE"),
        ):
            client.list_uploads({})


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_unusable_file_names_the_setting(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"CSVPIPE_CA_FILE: .*ca\.pem"):
        UploaderClient("https://127.0.0.1:1", ca_file=str(file))
