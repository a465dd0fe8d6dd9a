"""``Upload-Metadata``: the fields of an upload, its file's name and its digest, checked before a byte is sent."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from contracts.digests import REPR_DIGEST
from uploader.domain.cutting import CutOptions
from uploader.errors import InvalidFieldError
from uploader.ingest.digest_fields import read_sha256
from uploader.ingest.filenames import base_name
from uploader.ingest.form_fields import FIELD_NAMES, FormFields
from uploader.resumable.errors import TusRequestError
from uploader.settings import Settings

_NAMES = ("filename", "name")
"""What clients call the name of the file, in the order in which it is looked for."""
_SHA256 = "sha256"
_IGNORED = frozenset({"filetype", "type", "relativePath"})
"""What tus-js-client's examples and Uppy add by themselves."""
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class UploadMetadata:
    """What a client says of the file that it wants to send."""

    options: CutOptions
    filename: str
    sha256: str | None


def read_metadata(
    header: str | None, *, repr_digest: str | None, defaults: Settings, check_dataset: Callable[[str], None]
) -> UploadMetadata:
    """Return what the headers say.

    Args:
        header: ``Upload-Metadata``: pairs separated by commas, each a key, a blank and its value in base64.
        repr_digest: ``Repr-Digest`` (RFC 9530): another way to say the digest of the file.
        defaults: values of missing fields.
        check_dataset: called with the name of the dataset; raises if the client may not use it.

    Raises:
        TusRequestError: it is malformed.
        InvalidFieldError: a field is missing, unknown or breaks its rule.
        InvalidDigestError: ``repr_digest`` is malformed.
        InvalidDatasetNameError: the dataset's name breaks the rule.
    """
    pairs = _decode(header or "")
    fields = FormFields(query=(), defaults=defaults, check_dataset=check_dataset)
    for key, value in pairs.items():
        if key in FIELD_NAMES:
            fields.add(key, value)
        elif key not in _IGNORED and key not in _NAMES and key != _SHA256:
            known = ", ".join((*FIELD_NAMES, _NAMES[0], _SHA256))
            raise InvalidFieldError(
                f"unknown key {key[:64]!r} in Upload-Metadata; the keys are {known}", field=key[:64]
            )
    return UploadMetadata(
        options=fields.options(),
        filename=base_name(next((pairs[name] for name in _NAMES if pairs.get(name)), "")),
        sha256=_find_sha256(pairs.get(_SHA256), repr_digest),
    )


def _decode(header: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in filter(None, map(str.strip, header.split(","))):
        key, _, encoded = pair.partition(" ")
        if key in pairs:
            raise TusRequestError(f"the key {key[:64]!r} occurs twice in Upload-Metadata")
        try:
            pairs[key] = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise TusRequestError(
                f"the value of {key[:64]!r} in Upload-Metadata must be UTF-8 text in base64"
            ) from error
    return pairs


def _find_sha256(value: str | None, repr_digest: str | None) -> str | None:
    told, declared = _read_sha256(value), read_sha256(REPR_DIGEST, repr_digest)
    if told is not None and declared is not None and told != declared:
        raise InvalidFieldError(
            f"sha256 in Upload-Metadata is {told}, but {REPR_DIGEST} is that of {declared}: send one of the two",
            field=_SHA256,
        )
    return told or declared


def _read_sha256(value: str | None) -> str | None:
    if value is None:
        return None
    if not _HEXADECIMAL.fullmatch(value.lower()):
        raise InvalidFieldError("sha256 must be 64 hexadecimal digits", field=_SHA256)
    return value.lower()
