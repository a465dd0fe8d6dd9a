"""The OpenAPI document, with problems as ``application/problem+json`` and short operation ids for generated clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from contracts.errors import CsvPipeError
from uploader.access.credentials import HEADER
from uploader.access.errors import PermissionDeniedError, UnauthenticatedError
from uploader.access.session_cookie import COOKIE, SECURE_COOKIE
from uploader.api.guards import guard_of
from uploader.api.problems import PROBLEM_JSON

_JSON = "application/json"
_UPLOAD_OPERATIONS = ("get_status", "get_manifest", "announce_again", "delete_upload")
_CHUNK_OPERATIONS = ("download_chunk", "put_state")


_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key: `csvp_<id>_<secret>`"},
    "apiKey": {"type": "apiKey", "in": "header", "name": HEADER, "description": "The same key, without `Bearer`"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": f"The same key after `POST /session`, over HTTPS as `{SECURE_COOKIE}`; on the own pages only",
    },
}


def links_to_upload() -> dict[str, Any]:
    """Return the links of a response that contains an ``upload_id``: the operations on that upload."""
    upload = {"upload_id": "$response.body#/upload_id"}
    links = {name: {"operationId": name, "parameters": upload} for name in _UPLOAD_OPERATIONS}
    return links | {name: {"operationId": name, "parameters": {**upload, "chunk_id": 1}} for name in _CHUNK_OPERATIONS}


def operation_id(route: APIRoute) -> str:
    """Return the name of the route's function, which becomes a method name in generated clients."""
    return route.name


def render_document(app: FastAPI) -> dict[str, Any]:
    """Return the document of ``app``, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes, tags=app.openapi_tags
        )
        for operations in app.openapi_schema["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    _state_problem_type(response.get("content", {}))
        _state_security(app.openapi_schema, app.routes)
    return app.openapi_schema


def _state_security(document: dict[str, Any], routes: Sequence[BaseRoute]) -> None:
    """Add the security schemes, and to each operation that needs a key the schemes, 401, and 403 for a permission."""
    document.setdefault("components", {})["securitySchemes"] = _SECURITY_SCHEMES
    for route in routes:
        guard = guard_of(route)
        if not isinstance(route, APIRoute) or not route.include_in_schema or guard is None or not guard.needs_key:
            continue
        for method in route.methods:
            operation = document["paths"][route.path_format][method.lower()]
            operation["security"] = [{name: []} for name in _SECURITY_SCHEMES]
            operation["responses"]["401"] = _problem_of(UnauthenticatedError)
            if guard.permission is not None:
                needs = f": the call needs `{guard.permission}`"
                operation["responses"]["403"] = _problem_of(PermissionDeniedError, needs)
            operation["responses"] = dict(sorted(operation["responses"].items()))


def _problem_of(error: type[CsvPipeError], more: str = "") -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": f"{error.title} (`{error.code}`){more}", "content": {PROBLEM_JSON: {"schema": schema}}}


def _state_problem_type(content: dict[str, Any]) -> None:
    """Move a problem's schema to the media type that it is sent as; FastAPI puts every model under JSON."""
    if PROBLEM_JSON in content and _JSON in content:
        content[PROBLEM_JSON] = content.pop(_JSON)
