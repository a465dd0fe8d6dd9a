"""Text that may be logged and recorded: without API keys and without the signatures of download addresses.

Both may stand wherever a client can write: in a path, a query, a name or a field. So they are found by their form.
"""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"(?P<key>csvp_[A-Za-z0-9]{1,32}_)[A-Za-z0-9_-]+"  # an API key: its id is kept
    r"|(?P<signature>v1\.[0-9]{9,}\.[A-Za-z0-9_-]+\.)[A-Za-z0-9_-]+"  # a signature: its expiry and key are kept
)


def hide_secrets(text: str) -> str:
    """Return ``text`` with ``***`` instead of the secret of each API key, and of the MAC of each signature."""
    return _SECRET.sub(_without_secret, text)


def _without_secret(match: re.Match[str]) -> str:
    return f"{match['key'] or match['signature']}***"
