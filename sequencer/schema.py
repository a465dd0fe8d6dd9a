"""The schema of a source: which columns are more than text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sequencer.errors import JobSettingsError

ColumnType = Literal["string", "integer", "number", "boolean"]


class ColumnSchema(BaseModel):
    """One column. ``required``: an empty field is a fault; else it becomes null (a string stays empty)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    type: ColumnType = "string"
    required: bool = False


class Schema(BaseModel):
    """The columns that are typed; the others are strings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: tuple[ColumnSchema, ...] = ()

    def check_header(self, names: Sequence[str]) -> None:
        """Check that every column of the schema is in the file.

        Raises:
            JobSettingsError: one is not.
        """
        missing = [column.column for column in self.columns if column.column not in names]
        if missing:
            raise JobSettingsError(f"SCHEMA_FILE: the source has no column {', '.join(map(repr, missing))}")


def load_schema(path: str) -> Schema:
    """Read a schema from a JSON or YAML file: ``columns: [{column: id, type: integer, required: true}]``.

    Raises:
        JobSettingsError: it cannot be read, or is no schema.
    """
    if not path:
        return Schema()
    try:
        given: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return Schema.model_validate(given)
    except (OSError, yaml.YAMLError) as error:
        raise JobSettingsError(f"SCHEMA_FILE {path}: {error}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise JobSettingsError(f"SCHEMA_FILE {path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
