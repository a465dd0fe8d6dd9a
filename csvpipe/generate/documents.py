"""All generated documents; a test checks that the committed ones are up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from csvpipe.extras import CHECKOUT
from csvpipe.generate import cli_page, env_example, errors_page, metrics_page, settings_page
from csvpipe.generate.schemas import make_schemas

OPENAPI = CHECKOUT / "docs" / "openapi.json"


def render_openapi() -> str:
    """Return the uploader's OpenAPI document."""
    from uploader.app import create_app

    return _render(create_app().openapi())


def render_schemas() -> dict[Path, str]:
    """Return the schemas of messages and manifests, by their file."""
    return {path: _render(schema) for path, schema in make_schemas().items()}


def render_all() -> dict[Path, str]:
    """Return every generated document by its file."""
    return {OPENAPI: render_openapi(), **render_schemas(), **render_pages()}


def render_pages() -> dict[Path, str]:
    """Return ``.env.example`` and the reference pages by their file."""
    return {
        env_example.FILE: env_example.render_env_example(),
        settings_page.FILE: settings_page.render_settings_page(),
        cli_page.FILE: cli_page.render_cli_page(),
        errors_page.FILE: errors_page.render_errors_page(),
        metrics_page.FILE: metrics_page.render_metrics_page(),
    }


def _render(document: dict[str, Any]) -> str:
    """Sort the keys, so that a change of the code is a change of few lines."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
