"""The schemas of what the services hand to each other, made from the models in ``contracts``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from contracts.manifest import Manifest
from contracts.message import ChunkMessage
from csvpipe.extras import CHECKOUT, MissingPackageError

DIRECTORY = CHECKOUT / "contracts" / "schemas"
MESSAGE_JSON = DIRECTORY / "chunk-message.schema.json"
MANIFEST_JSON = DIRECTORY / "manifest.schema.json"
MESSAGE_AVRO = DIRECTORY / "chunk-message.avsc"
MANIFEST_AVRO = DIRECTORY / "manifest.avsc"
_NAMESPACE = "csvpipe"


def make_schemas() -> dict[Path, dict[str, Any]]:
    """Return every schema by the file it belongs in.

    Raises:
        MissingPackageError: the package that makes Avro schemas is not installed.
    """
    return {
        MESSAGE_JSON: json_schema(ChunkMessage, source="message"),
        MANIFEST_JSON: json_schema(Manifest, source="manifest"),
        MESSAGE_AVRO: avro_schema(ChunkMessage),
        MANIFEST_AVRO: avro_schema(Manifest),
    }


def json_schema(model: type[BaseModel], *, source: str) -> dict[str, Any]:
    """Return the JSON Schema of ``model``, which is defined in ``contracts/{source}.py``."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "$comment": f"Made from contracts/{source}.py.", **model.model_json_schema()}


def avro_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the Avro schema of ``model``: names, types, defaults and descriptions; Avro has no word for the rules.

    Raises:
        MissingPackageError: the package that makes it is not installed.
    """
    try:
        from pydantic_avro import AvroBase
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "the Avro schemas are made with pydantic-avro, one of the development packages; run: make setup"
        ) from error
    # A subclass of the same name, so that contracts/ need not know of Avro.
    described: Any = type(model.__name__, (AvroBase, model), {"__doc__": model.__doc__, "__module__": model.__module__})
    schema: dict[str, Any] = described.avro_schema(namespace=_NAMESPACE)
    return schema
