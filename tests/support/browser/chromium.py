"""The system's Chromium, which Playwright drives. ``python -m tests.support.browser.chromium`` installs it.

Playwright's own builds of browsers come from a host that not every network reaches; Debian's package is everywhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from stack.errors import MissingToolError
from stack.tools import provide

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # nothing leaves this machine
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--force-color-profile=srgb",
)


def find_chromium() -> Path:
    """Return the path of the system's Chromium, or of Chrome.

    Raises:
        MissingToolError: there is none; the text says how to install one.
    """
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise MissingToolError(
        "tests/browser need Chromium. Install it (Debian: apt install chromium fonts-dejavu-core), "
        "or add `chromium` or `google-chrome` to the PATH",
        tool="chromium",
    )


def provide_chromium() -> Path:
    """Return the path of Chromium, and install Debian's if there is none and the user is root.

    Raises:
        MissingToolError: see :func:`find_chromium`.
    """
    return provide(find_chromium, ("chromium",), print)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run Chromium without a window until the block ends.

    It has no sandbox of its own: it runs as root in CI, which the sandbox refuses, and sees this project's pages only.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=provide_chromium(), args=list(_OPTIONS), chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    provide_chromium()
