"""Keys for tests of an uploader that needs them."""

from __future__ import annotations

from typing import Any

import httpx

from uploader.access.key_text import KeyText

ADMIN = KeyText.generate().text
GUARDED: dict[str, Any] = {"access": "keys", "admin_key": ADMIN, "uploads_per_minute": 0}
"""Settings of an uploader that needs keys, and knows ``ADMIN``."""


def bearer(key: str | None) -> dict[str, str]:
    """Return the headers with ``key``."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def create_key(
    base_url: str, *permissions: str, datasets: list[str] | None = None, admin_key: str = ADMIN, **more: object
) -> str:
    """Create a key with these permissions, on all datasets by default, and return it."""
    wanted = {"name": "test", "permissions": permissions, "datasets": datasets or ["*"], **more}
    answer = httpx.post(f"{base_url}/keys", json=wanted, headers=bearer(admin_key), trust_env=False)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])
