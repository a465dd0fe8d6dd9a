"""``/``: the page for people, built from ``web/`` into ``uploader/page/``."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles

import uploader
from uploader.api.guards import ANYONE

PAGE_DIRECTORY = Path(uploader.__file__).parent / "page"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FOREVER = "public, max-age=31536000, immutable"
"""The names of assets contain a hash of their content."""
_NOT_BUILT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>CSV ingestion</title>
</head>
<body>
<main>
<h1>The page was not built</h1>
<p>The uploader runs, but without its page for people. In the project, <code>make setup</code> builds it.</p>
<p>The API works: <a href="docs">its documentation</a>.</p>
</main>
</body>
</html>
"""

router = APIRouter(dependencies=[Depends(ANYONE)], include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
def get_page() -> Response:
    """Return the page, or one that says how it is built."""
    headers = {**HEADERS, "Cache-Control": "no-cache"}
    index = PAGE_DIRECTORY / "index.html"
    return FileResponse(index, headers=headers) if index.is_file() else HTMLResponse(_NOT_BUILT, headers=headers)


@router.api_route("/assets/{path:path}", methods=["GET", "HEAD"])
async def get_asset(path: str, request: Request) -> Response:
    """Return a script, a style sheet or an image of the page."""
    files = StaticFiles(directory=PAGE_DIRECTORY / "assets", check_dir=False)
    response = await files.get_response(path, request.scope)
    response.headers.update({**HEADERS, "Cache-Control": _FOREVER})
    return response
