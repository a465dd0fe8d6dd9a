"""Search for secrets in everything that a stack writes, serves and runs."""

from __future__ import annotations

import gzip
import zlib
from base64 import b64decode
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import psutil
from pydantic import SecretStr

from stack.local import LocalStack
from tests.support.uploader.live_directory import entries

Secrets = Mapping[str, Collection[bytes]]
"""The forms of each secret, by its name."""

HOLDERS = (
    "secrets.json",
    "certificates/*.key",
    "config/airflow/passwords.json",
    "config/kafka/keystore.pem",
    "config/kafka/server.properties",
    "config/minio/certs/private.key",
    "config/monitoring/kafka-client.json",
    "config/nifi/keystore.p12",
    "config/nifi/nifi.properties",
    "config/nifi/truststore.p12",
    "keys/*",
)
"""The files below a stack's root that hold secrets, and must be readable only by their owner."""


def secrets_of(stack: LocalStack) -> dict[str, list[bytes]]:
    """Return the stack's passwords, keys and private keys, as they could be written."""
    found = {
        name: [value.get_secret_value().encode()]
        for name, value in stack.context.secrets
        if isinstance(value, SecretStr)
    }
    for path in stack.context.certificates.ca_file.parent.glob("*.key"):
        lines = path.read_bytes().splitlines()[1:-1]
        # Any line of the text, and the number itself, which is near the beginning of the DER form (RFC 5915).
        found[f"private key {path.stem}"] = [*lines[:2], b64decode(b"".join(lines))[36:68]]
    return found


def holders(stack: LocalStack) -> list[Path]:
    """Return the files that may hold secrets."""
    return [path for pattern in HOLDERS for path in stack.root.glob(pattern)]


def files_with_secrets(stack: LocalStack, secrets: Secrets) -> list[str]:
    """Name each secret in each file of the stack, except in those that may hold one."""
    allowed = set(holders(stack))
    return [
        f"{path.relative_to(stack.root)}: {name}"
        for path in sorted(entries(stack.root))
        if path.is_file() and not path.is_symlink() and path not in allowed
        for name in names_in(_content(path), secrets)
    ]


def processes_with_secrets(secrets: Secrets) -> list[str]:
    """Name each secret in the command line of any process on this machine."""
    found = []
    for process in psutil.process_iter():
        try:
            command = b"\0".join(part.encode(errors="surrogateescape") for part in process.cmdline())
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        found += [f"process {process.pid}: {name}" for name in names_in(command, secrets)]
    return found


def names_in(text: bytes, secrets: Secrets) -> Iterator[str]:
    """Yield the names of the secrets in ``text``."""
    for name, forms in secrets.items():
        if any(form in text for form in forms):
            yield name


def _content(path: Path) -> bytes:
    """Return the content of a file, uncompressed if it is compressed with gzip; empty if it has just been removed."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return data + gzip.decompress(data)
    except (EOFError, zlib.error):  # it is being written
        return data
