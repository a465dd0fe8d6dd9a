"""``csvpipe openapi``: the documents that are made from the code."""

from __future__ import annotations

from typing import Annotated

import typer

from csvpipe.documents import render_all, render_openapi


def command(
    *,
    write: Annotated[bool, typer.Option("--write", help="Write the committed documents anew.")] = False,
) -> None:
    """Print the uploader's OpenAPI document.

    With --write, renew docs/openapi.json, contracts/schemas/ and .env.example.
    """
    if not write:
        print(render_openapi(), end="")
        return
    for path, text in render_all().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
