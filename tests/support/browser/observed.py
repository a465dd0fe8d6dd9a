"""What a page does besides what it shows: the hosts that it asks, and its errors."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

_OWN_HOSTS = {"127.0.0.1", "localhost"}
_LOCAL_SCHEMES = {"blob", "data"}
_ANSWER_LOGGED = "Failed to load resource"
"""How Chromium logs an answer of 400 or more, which a test may want."""


class Observed:
    """Everything that went wrong on the pages of a context, and every request to another host."""

    def __init__(self, context: BrowserContext) -> None:
        """Begin to watch."""
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self.requests: list[Request] = []
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)

    def check(self) -> None:
        """Check that the pages asked no other host, logged no error and broke no rule of their policy."""
        wrong = [*(f"request to {url}" for url in self.foreign), *self.faults]
        assert not wrong, "\n".join(wrong)

    def asked(self, method: str, path: str) -> list[Request]:
        """Return the requests for a path of this machine."""
        return [each for each in self.requests if (each.method, urlsplit(each.url).path) == (method, path)]

    def _on_console(self, message: ConsoleMessage) -> None:
        # Chromium reports what a Content-Security-Policy refuses as an error of the console.
        if message.type in {"error", "warning"} and not message.text.startswith(_ANSWER_LOGGED):
            self.faults.append(f"{message.type}: {message.text}")

    def _on_error(self, error: WebError) -> None:
        self.faults.append(f"exception: {error.error}")

    def _on_request(self, request: Request) -> None:
        self.requests.append(request)
        parts = urlsplit(request.url)
        if parts.scheme not in _LOCAL_SCHEMES and parts.hostname not in _OWN_HOSTS:
            self.foreign.append(request.url)
