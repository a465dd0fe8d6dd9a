"""``csvpipe openapi``: the uploader's OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

from uploader.app import create_app


def command() -> None:
    """Print the uploader's OpenAPI document, as docs/openapi.json holds it."""
    print(render_openapi(), end="")


def render_openapi() -> str:
    """Return the document as JSON, sorted, so that a change of the code is a change of few lines."""
    document: dict[str, Any] = create_app().openapi()
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
