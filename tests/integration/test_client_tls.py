"""``csvpipe`` and an uploader with TLS: uploads, early answers, and faults that name the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingsError
from csvpipe.client import UploaderClient
from csvpipe.errors import RefusedError
from tests.support.network.certificates import CertificateAuthority
from tests.support.uploader.sent_files import CountingView, send_file
from tests.support.uploader.server import running_uploader

HOST = "127.0.0.1"
CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(200_000))


@pytest.fixture
def authority() -> CertificateAuthority:
    return CertificateAuthority("the test's")


@pytest.fixture
def ca_file(authority: CertificateAuthority, tmp_path: Path) -> str:
    return authority.write_certificate(tmp_path / "ca.pem")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    return path


def test_upload_over_tls_is_accepted(authority: CertificateAuthority, ca_file: str, tmp_path: Path, file: Path) -> None:
    certificate, key = authority.write_server_pair(tmp_path, address=HOST)
    with (
        running_uploader(tmp_path / "chunks", tls_cert_file=certificate, tls_key_file=key) as server,
        UploaderClient(server.base_url, ca_file=ca_file) as client,
    ):
        for _ in range(2):
            assert send_file(client, file).row_count == 200_000


def test_refusal_reaches_a_client_that_has_much_to_send(
    authority: CertificateAuthority, ca_file: str, tmp_path: Path, file: Path
) -> None:
    certificate, key = authority.write_server_pair(tmp_path, address=HOST)
    size_bytes = 2 * 1024**3
    with file.open("ab") as opened:
        opened.write(b"1,2,3\n")
        opened.truncate(size_bytes)
    view = CountingView()
    with (
        running_uploader(tmp_path / "chunks", tls_cert_file=certificate, tls_key_file=key) as server,
        UploaderClient(server.base_url, ca_file=ca_file) as client,
    ):
        with pytest.raises(RefusedError) as caught:
            send_file(client, file, view=view)
        assert (caught.value.extra["problem"], caught.value.extra["row"]) == ("invalid_csv", 200_001)
    assert view.sent_bytes < size_bytes / 4


@pytest.mark.parametrize(
    ("fault", "setting"),
    [
        ("other authority", "CSVPIPE_CA_FILE: .*not trusted"),
        ("expired", "CSVPIPE_URL: .*has expired"),
        ("other name", "CSVPIPE_URL: .*another name"),
        ("no TLS", "CSVPIPE_URL: .*does not speak TLS"),
    ],
)
def test_fault_names_the_setting(
    authority: CertificateAuthority, ca_file: str, tmp_path: Path, fault: str, setting: str
) -> None:
    address = "192.0.2.1" if fault == "other name" else HOST
    certificate, key = authority.write_server_pair(tmp_path, address=address, expired=fault == "expired")
    if fault == "other authority":
        ca_file = CertificateAuthority("another").write_certificate(tmp_path / "other.pem")
    served: dict[str, Any] = {} if fault == "no TLS" else {"tls_cert_file": certificate, "tls_key_file": key}
    with (
        running_uploader(tmp_path / "chunks", **served) as server,
        UploaderClient(f"https://{HOST}:{server.port}", ca_file=ca_file) as client,
        pytest.raises(SettingsError, match=setting),
    ):
        client.list_uploads({})


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_unusable_file_of_authorities_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=f"CSVPIPE_CA_FILE: {path}"):
        UploaderClient("https://uploader:8000", ca_file=str(path))
