"""A fake of AWS's signer of tokens for MSK: on PYTHONPATH it stands in front of the real one.

Its tokens are unsigned ones, which Apache's broker takes where nothing else is configured.
"""

from __future__ import annotations

import json
import os
import time
from base64 import urlsafe_b64encode

USER = os.environ.get("FAKE_IAM_USER", "writer")
_LIFE_S = 900


class MSKAuthTokenProvider:
    """As the real one's, as far as the sequencer calls it."""

    @staticmethod
    def generate_auth_token(region: str) -> tuple[str, int]:
        """Return a token, and when it expires in milliseconds since 1970."""
        now = time.time()
        claims = {"sub": USER, "region": region, "iat": now, "exp": now + _LIFE_S}
        return f"{_part({'alg': 'none'})}.{_part(claims)}.", round((now + _LIFE_S) * 1000)


def _part(content: object) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
