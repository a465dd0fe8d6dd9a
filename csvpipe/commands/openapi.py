"""``csvpipe openapi``: the uploader's OpenAPI document."""

from __future__ import annotations

from csvpipe.generate.documents import render_openapi


def command() -> None:
    """Print the uploader's OpenAPI document."""
    print(render_openapi(), end="")
