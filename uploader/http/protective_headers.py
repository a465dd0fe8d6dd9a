"""Headers that keep browsers and caches from doing more with a response than its client wants."""

from __future__ import annotations

PROTECTIVE_HEADERS = {
    # Content of strangers, data and names in errors, is never a page, a script or a part of somebody else's page.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A cache between would keep what one key may see, and give it to another: it knows neither X-API-Key nor cookies.
    "Cache-Control": "no-store",
}
"""Of each response that does not say otherwise."""
