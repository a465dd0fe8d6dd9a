"""Hooks of mkdocs: what the site needs and GitHub's view of the same pages does not."""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path

from mkdocs.config.config_options import ExtraScriptValue
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
MERMAID = ROOT / "build" / "mermaid.min.js"
_LINK = re.compile(r"(\]\()((?:\.\./)+[^)\s#]+)(#[^)\s]*)?\)")
_TEST_MARKER = re.compile(r"^(```\w+) (?:check|stack|cluster[a-z-]*|by-hand)$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the section "Decisions" of the menu, and use the Mermaid that `make docs` has fetched.

    Without it the theme loads Mermaid from a CDN.
    """
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    pages = ["adr/README.md", *(f"adr/{path.name}" for path in records)]
    config.nav = [{"Decisions": pages} if "Decisions" in section else section for section in config.nav or []]
    if MERMAID.exists():
        config.extra_javascript.append(ExtraScriptValue(f"assets/{MERMAID.name}"))
    return config


def on_post_build(*, config: MkDocsConfig) -> None:
    """Copy Mermaid into the site."""
    if MERMAID.exists():
        shutil.copy(MERMAID, Path(config.site_dir) / "assets")


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Return the page without test markers of shell blocks, and with absolute links to files outside of docs/.

    Raises:
        FileNotFoundError: a link leads to a file that the repository does not have.
    """
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def absolute(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if target.startswith("docs/") and target != "docs/openapi.json":
            return match[0]
        if not (ROOT / target).exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {match[2]}, and {target} does not exist")
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{match[1]}{config.extra['repository']}/{kind}/main/{target}{match[3] or ''})"

    return _LINK.sub(absolute, _TEST_MARKER.sub(r"\1", markdown))
