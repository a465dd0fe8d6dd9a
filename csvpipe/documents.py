"""The documents that are made from the code; a test holds the committed ones to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from csvpipe import env_example
from csvpipe.extras import CHECKOUT
from csvpipe.schemas import make_schemas

OPENAPI = CHECKOUT / "docs" / "openapi.json"


def render_openapi() -> str:
    """Return the uploader's OpenAPI document."""
    from uploader.app import create_app

    return _render(create_app().openapi())


def render_schemas() -> dict[Path, str]:
    """Return the schemas of what the services hand to each other, by the file they belong in."""
    return {path: _render(schema) for path, schema in make_schemas().items()}


def render_all() -> dict[Path, str]:
    """Return every document by the file it belongs in."""
    return {OPENAPI: render_openapi(), **render_schemas(), env_example.FILE: env_example.render_env_example()}


def _render(document: dict[str, Any]) -> str:
    """Sort the keys, so that a change of the code is a change of few lines."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
