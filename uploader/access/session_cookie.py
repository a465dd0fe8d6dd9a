"""The cookie that keeps a key in a browser: ``csvpipe_session``, over HTTPS ``__Host-csvpipe_session``.

No other host can set a cookie whose name starts with ``__Host-`` (RFC 6265bis, 4.1.3.2).
"""

from __future__ import annotations

from starlette.datastructures import Headers

COOKIE = "csvpipe_session"
SECURE_COOKIE = f"__Host-{COOKIE}"


def find_session_key(headers: Headers, *, scheme: str) -> str | None:
    """Return the key in the cookie of a request, or None.

    None also if there are several: somebody on a sibling domain may have set one of them.
    """
    pairs = [pair.strip().partition("=") for value in headers.getlist("cookie") for pair in value.split(";")]
    secure = {value for name, _, value in pairs if name == SECURE_COOKIE}
    plain = {value for name, _, value in pairs if name == COOKIE}
    found = secure or (plain if scheme == "http" else set())
    return found.pop() if len(found) == 1 else None


def set_cookies(key: str, *, secure: bool) -> list[str]:
    """Return the values of ``Set-Cookie`` that keep ``key`` until the browser is closed."""
    name, more = (SECURE_COOKIE, "; Secure") if secure else (COOKIE, "")
    return [f"{name}={key}; HttpOnly; SameSite=Strict; Path=/{more}"]


def remove_cookies() -> list[str]:
    """Return the values of ``Set-Cookie`` that remove the cookie, under both names."""
    gone = "=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/"
    return [f"{COOKIE}{gone}", f"{SECURE_COOKIE}{gone}; Secure"]
