"""The header fields that tell a client its limits (draft-ietf-httpapi-ratelimit-headers-11)."""

from __future__ import annotations

from uploader.access.upload_limits import WINDOW_S, UploadUsage

RATE_POLICY = "uploads"
AT_ONCE_POLICY = "uploads-at-once"


def rate_limit_headers(usage: UploadUsage) -> dict[str, str]:
    """Return ``RateLimit-Policy`` and ``RateLimit`` for the limits that the key has."""
    policies, states = [], []
    limits = usage.limits
    if limits.per_minute:
        policies.append(f'"{RATE_POLICY}";q={limits.per_minute};w={WINDOW_S}')
        effective = f";t={usage.next_unit_s}" if usage.next_unit_s else ""
        states.append(f'"{RATE_POLICY}";r={usage.available}{effective}')
    if limits.at_once:
        policies.append(f'"{AT_ONCE_POLICY}";q={limits.at_once};qu="concurrent-requests"')
        states.append(f'"{AT_ONCE_POLICY}";r={usage.free_slots}')
    if not policies:
        return {}
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}
