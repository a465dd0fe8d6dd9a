"""``csvpipe openapi``: the uploader's OpenAPI document, and the schemas of messages and manifests."""

from __future__ import annotations

from typing import Annotated

import typer

from csvpipe.documents import OPENAPI, render_openapi, render_schemas


def command(
    *,
    write: Annotated[bool, typer.Option("--write", help="Write docs/openapi.json and docs/schemas/ anew.")] = False,
) -> None:
    """Print the uploader's OpenAPI document; with --write, renew it and the JSON Schemas in docs/."""
    if not write:
        print(render_openapi(), end="")
        return
    for path, text in {OPENAPI: render_openapi(), **render_schemas()}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
