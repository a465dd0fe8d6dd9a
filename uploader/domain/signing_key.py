"""Keys that sign the addresses of chunks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_MIN_SECRET_CHARS = 32
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A secret and its name, which is part of each address that it signs."""

    key_id: str
    secret: str = field(repr=False)


def parse_signing_keys(text: str) -> list[SigningKey]:
    """Parse ``id:secret,id:secret``. The first key signs, all verify.

    Raises:
        ValueError: an entry has another form, a secret is too short, or an id is repeated. The text has no secret.
    """
    keys: list[SigningKey] = []
    for number, entry in enumerate(text.split(","), start=1):
        key_id, _, secret = entry.strip().partition(":")
        if not _ID.fullmatch(key_id):
            raise ValueError(f"key {number} must be id:secret, with an id of up to 32 letters, digits, '_' and '-'")
        if len(secret) < _MIN_SECRET_CHARS:
            raise ValueError(f"the secret of key {key_id} must have {_MIN_SECRET_CHARS} characters or more")
        if any(key_id == key.key_id for key in keys):
            raise ValueError(f"the id {key_id} is used by two keys")
        keys.append(SigningKey(key_id=key_id, secret=secret))
    return keys
