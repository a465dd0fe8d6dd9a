"""``/docs`` and ``/redoc``: the API for people to read. Nothing comes from another host, and no foreign script runs."""

from __future__ import annotations

import base64
import hashlib
import re

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse

from uploader.api.guards import ANYONE

ASSETS = "/docs/assets"
"""Where the scripts and style sheets of both pages are served."""
router = APIRouter(include_in_schema=False, dependencies=[Depends(ANYONE)])
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_OF_REDOC = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
)
"""The style elements that ReDoc makes: empty ones, which it fills rule by rule, and that of its scroll bars."""


@router.get("/docs")
async def get_swagger_ui(request: Request) -> HTMLResponse:
    """Return Swagger UI."""
    assets = _address(request, ASSETS)
    page = get_swagger_ui_html(
        openapi_url=_address(request, request.app.openapi_url),
        title=f"{request.app.title} - Swagger UI",
        swagger_js_url=f"{assets}/swagger-ui-bundle.js",
        swagger_css_url=f"{assets}/swagger-ui.css",
        swagger_favicon_url=f"{assets}/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},
    )
    return _protected(page)


@router.get("/redoc")
async def get_redoc(request: Request) -> HTMLResponse:
    """Return ReDoc. It searches in a worker, which it makes from a blob. Its policy keeps a logo from being fetched."""
    assets = _address(request, ASSETS)
    page = get_redoc_html(
        openapi_url=_address(request, request.app.openapi_url),
        title=f"{request.app.title} - ReDoc",
        redoc_js_url=f"{assets}/redoc.standalone.js",
        redoc_favicon_url=f"{assets}/favicon.png",
        with_google_fonts=False,
    )
    return _protected(page, styles=_OF_REDOC, workers="blob:")


def _address(request: Request, path: str) -> str:
    """Return ``path`` below the prefix that a reverse proxy has taken away."""
    return f"{request.scope.get('root_path', '')}{path}"


def _protected(page: HTMLResponse, *, styles: tuple[str, ...] = (), workers: str = "'none'") -> HTMLResponse:
    """Return ``page`` with a policy that allows the scripts and styles in it by their hashes, and ``styles``."""
    inline = _INLINE.findall(bytes(page.body).decode())
    policy = {
        "default-src": ("'none'",),
        "script-src": ("'self'", *(_hash(text) for tag, text in inline if tag == "script")),
        "style-src": ("'self'", *(_hash(text) for tag, text in inline if tag == "style"), *styles),
        "worker-src": (workers,),
        "connect-src": ("'self'",),
        "img-src": ("'self'", "data:"),
        "form-action": ("'none'",),
        "base-uri": ("'none'",),
        "frame-ancestors": ("'none'",),
    }
    page.headers["Content-Security-Policy"] = "; ".join(" ".join((name, *sources)) for name, sources in policy.items())
    page.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return page


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
