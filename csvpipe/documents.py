"""The documents that are made from the code; a test holds the committed ones to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contracts.manifest import Manifest
from contracts.message import ChunkMessage
from csvpipe import env_example
from csvpipe.extras import CHECKOUT

DOCS = CHECKOUT / "docs"
OPENAPI = DOCS / "openapi.json"
MESSAGE_SCHEMA = DOCS / "schemas" / "chunk-message.json"
MANIFEST_SCHEMA = DOCS / "schemas" / "manifest.json"


def render_openapi() -> str:
    """Return the uploader's OpenAPI document."""
    from uploader.app import create_app

    return _render(create_app().openapi())


def render_schemas() -> dict[Path, str]:
    """Return the JSON Schemas of what the services hand to each other, by the file they belong in."""
    return {
        MESSAGE_SCHEMA: _render(_schema(ChunkMessage, "message")),
        MANIFEST_SCHEMA: _render(_schema(Manifest, "manifest")),
    }


def render_all() -> dict[Path, str]:
    """Return every document by the file it belongs in."""
    return {OPENAPI: render_openapi(), **render_schemas(), env_example.FILE: env_example.render_env_example()}


def _schema(model: type[ChunkMessage | Manifest], name: str) -> dict[str, Any]:
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "$comment": f"Made from contracts/{name}.py.", **model.model_json_schema()}


def _render(document: dict[str, Any]) -> str:
    """Sort the keys, so that a change of the code is a change of few lines."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
