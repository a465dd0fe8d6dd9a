"""The text of a key: ``csvp_<id>_<secret>``, of which only the id and a hash of the secret are stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass, field
from typing import Self

from contracts.names import KEY_FORM

_ID_CHARACTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 8
_SECRET_BYTES = 32


@dataclass(frozen=True)
class KeyText:
    """A key as its holder has it. The secret is not part of its ``repr``."""

    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def generate(cls, key_id: str | None = None) -> Self:
        """Return a new key of 32 random bytes, or a new secret for the key ``key_id``."""
        new_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH))
        return cls(key_id or new_id, secrets.token_urlsafe(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the key in ``text``, or None if it has another form."""
        found = KEY_FORM.fullmatch(text)
        return None if found is None else cls(found[1], found[2])

    def is_same(self, other: KeyText) -> bool:
        """Return whether ``other`` is the same key, in constant time."""
        return self.key_id == other.key_id and hmac.compare_digest(self.secret_sha256, other.secret_sha256)

    @property
    def text(self) -> str:
        """The whole key."""
        return f"csvp_{self.key_id}_{self.secret}"

    @property
    def secret_sha256(self) -> str:
        """SHA-256 of the secret as 64 hex digits. The secret is random, so a fast hash is safe."""
        return hashlib.sha256(self.secret.encode()).hexdigest()
