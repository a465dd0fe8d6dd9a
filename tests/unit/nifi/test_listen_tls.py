"""Mutual TLS of ListenHTTP: what it adds to the flow, and its parameters from PEM files."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from nifi.definition import differences, load_flow, referenced_parameters
from nifi.errors import CertificateFileError, InvalidParameterError
from nifi.listen_tls import (
    LISTEN_TLS,
    LISTEN_TLS_AUTHORIZED_SUBJECT,
    LISTEN_TLS_CA,
    LISTEN_TLS_CERTIFICATE,
    LISTEN_TLS_KEY,
    ListenTls,
    tls_parameters,
    with_listen_tls,
    without_listen_tls,
)

LISTENER = "Receive chunk messages"


def test_mutual_tls_requires_a_certificate_of_an_authorized_subject() -> None:
    plain = load_flow()
    secure = with_listen_tls(plain, ListenTls.MUTUAL)

    assert set(differences(secure, plain)) == {
        "new: controller service 'TLS of ListenHTTP'",
        f"processor {LISTENER!r}: Authorized DN Pattern, SSL Context Service, client-authentication",
    }
    (listener,) = [p for p in secure["flowContents"]["processors"] if p["name"] == LISTENER]
    assert listener["properties"]["client-authentication"] == "REQUIRED"
    assert listener["properties"].keys() == listener["propertyDescriptors"].keys()
    assert referenced_parameters(secure) - referenced_parameters(plain) == {
        LISTEN_TLS_CERTIFICATE,
        LISTEN_TLS_KEY,
        LISTEN_TLS_CA,
        LISTEN_TLS_AUTHORIZED_SUBJECT,
    }


def test_flow_without_tls_is_the_one_in_git() -> None:
    plain = load_flow()
    assert with_listen_tls(plain, ListenTls.NONE) == plain
    assert without_listen_tls(with_listen_tls(plain, ListenTls.MUTUAL)) == plain


def test_only_given_files_become_parameters(tmp_path: Path) -> None:
    ca = trustme.CA()
    issued = ca.issue_cert("nifi")
    (tmp_path / "ca").write_bytes(ca.cert_pem.bytes())
    (tmp_path / "certificate").write_bytes(issued.cert_chain_pems[0].bytes())
    (tmp_path / "key").write_text(f"-----BEGIN PRIVATE KEY-----\n{'A' * 64}\n-----END PRIVATE KEY-----\n")

    renewed = tls_parameters(certificate=tmp_path / "certificate", key=tmp_path / "key")

    assert renewed == {
        LISTEN_TLS: "mutual",
        LISTEN_TLS_CERTIFICATE: (tmp_path / "certificate").read_text().strip(),
        LISTEN_TLS_KEY: (tmp_path / "key").read_text().strip(),
    }
    assert tls_parameters() == {}


@pytest.mark.parametrize("text", [None, "no PEM", "-----BEGIN PRIVATE KEY-----", "caf\xe9"])
def test_unusable_certificate_file_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "certificate.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CertificateFileError, match=r"certificate\.pem"):
        tls_parameters(certificate=path)


@pytest.mark.parametrize("kind", ["ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY"])
def test_key_that_nifi_cannot_read_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    path.write_text(f"-----BEGIN {kind}-----\nMII=\n-----END {kind}-----\n")
    with pytest.raises(CertificateFileError, match="openssl pkey"):
        tls_parameters(key=path)


def test_unknown_mode_is_refused() -> None:
    assert ListenTls.parse(None) is ListenTls.NONE
    with pytest.raises(InvalidParameterError, match=r"listen\.tls"):
        ListenTls.parse("yes")
