"""Whether a request comes from a page of the service itself, as far as its browser tells.

See `Fetch Metadata <https://www.w3.org/TR/fetch-metadata/>`_ and RFC 6454. No page can set these headers.
"""

from __future__ import annotations

from starlette.datastructures import Headers

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})


def is_same_origin(headers: Headers, *, scheme: str, method: str) -> bool:
    """Return whether a request is the user's own, or one of our page.

    Browsers send ``Sec-Fetch-Site`` over HTTPS and to this machine, and else at least ``Origin`` with each method that
    changes something. Without both, only a method that changes nothing is trusted.
    """
    return not is_cross_origin(headers, scheme=scheme) and (
        method in _SAFE_METHODS or "sec-fetch-site" in headers or "origin" in headers
    )


def is_cross_origin(headers: Headers, *, scheme: str) -> bool:
    """Return whether the browser says that a request is that of another site's page, a sibling domain's included."""
    sites = headers.getlist("sec-fetch-site")
    if sites:
        return not _OWN_SITES.issuperset(sites)
    own = f"{scheme}://{headers.get('host', '')}"
    return any(origin.lower() != own.lower() for origin in headers.getlist("origin"))
