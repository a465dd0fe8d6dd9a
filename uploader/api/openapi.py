"""The OpenAPI document, with problems as ``application/problem+json`` and short operation ids for generated clients."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from uploader.api.problems import PROBLEM_JSON

_JSON = "application/json"
_UPLOAD_OPERATIONS = ("get_status", "get_manifest", "announce_again", "delete_upload")
_CHUNK_OPERATIONS = ("download_chunk", "put_state")


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
    return app.openapi_schema


def _state_problem_type(content: dict[str, Any]) -> None:
    """Move a problem's schema to the media type that it is sent as; FastAPI puts every model under JSON."""
    if PROBLEM_JSON in content and _JSON in content:
        content[PROBLEM_JSON] = content.pop(_JSON)
