"""The schema of a source, which has the types of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from contracts.errors import SettingsError
from contracts.faults import rule_of

ColumnType = Literal["string", "integer", "number", "boolean"]


class ColumnSchema(BaseModel):
    """One column. An empty field is an error if ``required``, else null (in a string column the empty string)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    type: ColumnType = "string"
    required: bool = False


class Schema(BaseModel):
    """The typed columns; all others are strings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: tuple[ColumnSchema, ...] = ()

    @field_validator("columns")
    @classmethod
    def _check_unique(cls, columns: tuple[ColumnSchema, ...]) -> tuple[ColumnSchema, ...]:
        names = [column.column for column in columns]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the column {twice!r} occurs twice")
        return columns

    def check_header(self, names: Sequence[str]) -> None:
        """Check that every column of the schema is in the file.

        Raises:
            SettingsError: a column is missing.
        """
        missing = [column.column for column in self.columns if column.column not in names]
        if missing:
            raise SettingsError(f"SCHEMA_FILE: the source has no column {', '.join(map(repr, missing))}")


def load_schema(path: str) -> Schema:
    """Read a schema from a JSON or YAML file: ``columns: [{column: id, type: integer, required: true}]``.

    Raises:
        SettingsError: it cannot be read, or is not a valid schema.
    """
    if not path:
        return Schema()
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise SettingsError(f"SCHEMA_FILE {path}: {error}") from error
    return parse_schema(content, path)


def parse_schema(content: bytes, name: str) -> Schema:
    """Parse the content of the schema file ``name``; see :func:`load_schema`.

    Raises:
        SettingsError: it is not a valid schema.
    """
    try:
        given: Any = yaml.safe_load(content.decode("utf-8-sig"))
        return Schema.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = "".join(f"{part}: " for part in (".".join(map(str, fault["loc"])),) if part)
        raise SettingsError(f"SCHEMA_FILE {name}: {where}{rule_of(fault)}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"SCHEMA_FILE {name}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except RecursionError as error:
        raise SettingsError(f"SCHEMA_FILE {name}: it is nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise SettingsError(f"SCHEMA_FILE {name}: {error}") from error
