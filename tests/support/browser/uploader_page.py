"""The uploader's page as its user sees it: elements are found by their role and name, as a screen reader does."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

_SENT_WITHIN_MS = 90_000
_MOST_TABS = 60
"""More than any view has elements that take the focus."""


class UploaderPage:
    """The page at ``url``, in a tab of a browser."""

    def __init__(self, tab: Page, url: str) -> None:
        self.tab = tab
        self.url = url

    def open(self, view: str = "") -> None:
        """Load the page anew, at a view such as ``uploads``."""
        self.tab.goto(f"{self.url}/{view and f'#/{view}'}")

    def sign_in(self, key: str) -> None:
        """Enter a key in the form that is shown, and send it."""
        self.tab.get_by_label("Key", exact=True).fill(key)
        self.tab.get_by_role("button", name="Sign in").click()

    def enter(self, key: str, view: str = "") -> None:
        """Load the page, sign in, and go to a view."""
        self.open(view)
        self.sign_in(key)
        expect(self.tab.get_by_text("Signed in as")).to_be_visible()

    def go_to(self, title: str) -> None:
        """Choose a view in the navigation, and wait for it."""
        self.tab.get_by_role("navigation", name="Main").get_by_role("link", name=title).click()
        self.expect_view(title)

    def expect_view(self, title: str) -> None:
        """Wait for the view with this heading, and until it has taken the focus: it sets the title before."""
        expect(self.tab.get_by_role("heading", level=1, name=title)).to_be_visible()
        self.tab.wait_for_function("() => document.title.startsWith(document.querySelector('h1')?.firstChild.data)")

    def show(self, view: str, text: str) -> None:
        """Go to a view as a link does, and wait until it shows ``text``."""
        self.tab.evaluate("view => { location.hash = `#/${view}` }", view)
        expect(self.tab.get_by_role("main").get_by_text(text).first).to_be_visible()

    def tab_to(self, element: Locator) -> None:
        """Press Tab until ``element`` has the focus."""
        expect(element).to_be_visible()
        for _ in range(_MOST_TABS):
            if element.evaluate("element => element === document.activeElement"):
                return
            self.tab.keyboard.press("Tab")
        raise AssertionError(f"{_MOST_TABS} times Tab do not lead to {element}")

    def content_width(self) -> int:
        """Return how wide the page is, in pixels: more than the window if it scrolls sideways."""
        width: int = self.tab.evaluate("document.documentElement.scrollWidth")
        return width

    def sign_out(self) -> None:
        """Sign out."""
        self.tab.get_by_role("button", name="Sign out").click()

    def choose_files(self, *paths: Path) -> None:
        """Choose files in the view Send."""
        self.tab.get_by_label("Choose files").set_input_files(paths)

    def choose_dataset(self, name: str, *, chunk_mb: int) -> None:
        """Say where the chosen files go, and how large their chunks are."""
        self.tab.get_by_label("Dataset", exact=True).fill(name)
        self.tab.get_by_label("Chunks", exact=True).select_option("by size, in MiB")
        self.tab.get_by_label("MiB per chunk").fill(str(chunk_mb))

    @property
    def send_button(self) -> Locator:
        """The button that begins to send."""
        return self.tab.get_by_role("button", name=re.compile("^Send "))

    def card(self, filename: str) -> Locator:
        """Return what is shown of a file that was chosen, or that is being sent."""
        return self.tab.get_by_role("article", name=filename)

    def expect_sent(self, filename: str, *, at_least_bytes: int) -> None:
        """Wait until so much of a file was sent."""
        progress = self.tab.get_by_role("progressbar", name=f"Progress of {filename}")
        expect(progress).to_be_visible()
        self.tab.wait_for_function(
            "([element, bytes]) => element.value >= bytes", arg=[progress.element_handle(), at_least_bytes]
        )

    def follow_sent(self, filename: str) -> None:
        """Wait until all of a file was sent, and go to its upload."""
        link = self.tab.get_by_role("link", name=f"See what becomes of {filename}")
        expect(link).to_be_visible(timeout=_SENT_WITHIN_MS)
        link.click()
        self.expect_view("Upload")

    @property
    def upload_id(self) -> str:
        """The id of the upload that is shown."""
        return self.tab.url.rpartition("/")[2]

    def copy_statement(self, program: str) -> str:
        """Choose the statement for a program, copy it, and return what the clipboard has."""
        self.tab.get_by_label("Program").select_option(program)
        self.tab.get_by_role("button", name=f"Copy the statement for {program}").click()
        expect(self.tab.get_by_text("Copied")).to_be_visible()
        copied: str = self.tab.evaluate("navigator.clipboard.readText()")
        return copied

    @property
    def alert(self) -> Locator:
        """What the page says is wrong."""
        return self.tab.get_by_role("alert")

    def step(self, name: str) -> Locator:
        """Return a step on the way of the upload that is shown: received, announced, relayed or landed."""
        steps = self.tab.get_by_role("list", name="Steps of the upload").get_by_role("listitem")
        return steps.filter(has_text=re.compile(f"^{name}"))

    def row_of(self, upload_id: str) -> Locator:
        """Return the row of an upload in the list."""
        return self.tab.get_by_role("row").filter(has=self.tab.get_by_role("link", name=upload_id))
