"""Mutual TLS of ListenHTTP: the part of the flow that parameter ``listen.tls`` adds or leaves out.

A parameter cannot name a controller service, and a service without a certificate is invalid. So the flow in git is that
without TLS, and a deployment with ``listen.tls=mutual`` adds the service of ``flow/listen-tls.json`` and refers to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from enum import StrEnum
from pathlib import Path
from typing import Any

from nifi.definition import Json
from nifi.errors import CertificateFileError, InvalidParameterError

LISTEN_TLS = "listen.tls"
LISTEN_TLS_CERTIFICATE = "listen.tls.certificate"
LISTEN_TLS_KEY = "listen.tls.key"
LISTEN_TLS_CA = "listen.tls.ca"
LISTEN_TLS_AUTHORIZED_SUBJECT = "listen.tls.authorized.subject"
_ADDITION = Path(__file__).parent / "flow" / "listen-tls.json"
_LISTENER = "org.apache.nifi.processors.standard.ListenHTTP"
_CERTIFICATE_FORMS = ("-----BEGIN CERTIFICATE-----",)
_KEY_FORMS = ("-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----")
"""PKCS 8 and PKCS 1. With another form, or an encrypted key, NiFi cannot enable the service and retries for ever."""


class ListenTls(StrEnum):
    """Who may connect to ListenHTTP: anyone without TLS, or the holder of a certificate of the CA."""

    NONE = "none"
    MUTUAL = "mutual"

    @classmethod
    def parse(cls, value: str | None) -> ListenTls:
        """Return the mode that ``value`` names; None is the mode without TLS.

        Raises:
            InvalidParameterError: It names none.
        """
        try:
            return cls(value or cls.NONE)
        except ValueError as error:
            known = " or ".join(cls)
            raise InvalidParameterError(f"{LISTEN_TLS} must be {known}, got {value!r}", parameter=LISTEN_TLS) from error


def with_listen_tls(flow: Mapping[str, Any], mode: ListenTls) -> Json:
    """Return ``flow``, which is the one in git, with what ``mode`` adds to it."""
    changed = deepcopy(dict(flow))
    if mode is ListenTls.MUTUAL:
        addition = _load_addition()
        changed["flowContents"]["controllerServices"].append(addition["service"])
        for listener in _listeners(changed):
            for kind, values in addition["listener"].items():
                listener[kind] |= values
    return changed


def without_listen_tls(flow: Mapping[str, Any]) -> Json:
    """Return an exported flow without what :func:`with_listen_tls` has added."""
    changed = deepcopy(dict(flow))
    addition = _load_addition()
    contents = changed["flowContents"]
    identifier = addition["service"]["identifier"]
    contents["controllerServices"] = [s for s in contents["controllerServices"] if s["identifier"] != identifier]
    for listener in _listeners(changed):
        for kind, values in addition["listener"].items():
            listener[kind] = {name: value for name, value in listener[kind].items() if name not in values}
    return changed


def tls_parameters(
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    ca: Path | None = None,
    authorized_subject: str | None = None,
) -> dict[str, str]:
    """Return the parameters for the PEM files that are given, and ``listen.tls=mutual`` if any is.

    Those that are not given keep their value in NiFi, so that a renewed certificate needs no other option.

    Raises:
        CertificateFileError: A file cannot be read, or has something else than PEM of its kind.
    """
    found = {
        name: _read_pem(path, forms)
        for name, path, forms in (
            (LISTEN_TLS_CERTIFICATE, certificate, _CERTIFICATE_FORMS),
            (LISTEN_TLS_KEY, key, _KEY_FORMS),
            (LISTEN_TLS_CA, ca, _CERTIFICATE_FORMS),
        )
        if path is not None
    }
    if authorized_subject is not None:
        found[LISTEN_TLS_AUTHORIZED_SUBJECT] = authorized_subject
    return {LISTEN_TLS: ListenTls.MUTUAL.value, **found} if found else {}


def _read_pem(path: Path, forms: tuple[str, ...]) -> str:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not PEM, which is text"
        raise CertificateFileError(f"{path} cannot be read: {reason}", path=str(path)) from error
    if not any(form in text for form in forms):
        what_to_do = ": convert it with 'openssl pkey -in FILE -out NEW_FILE'" if "PRIVATE KEY-----" in text else ""
        raise CertificateFileError(f"{path} has no {' or '.join(forms)}, as NiFi needs it{what_to_do}", path=str(path))
    return text


def _listeners(flow: Json) -> list[Json]:
    return [processor for processor in flow["flowContents"]["processors"] if processor["type"] == _LISTENER]


def _load_addition() -> Json:
    addition: Json = json.loads(_ADDITION.read_text(encoding="utf-8"))
    return addition
