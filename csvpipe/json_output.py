"""``--json``: the result of a command as one JSON document on stdout, with nothing else there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

import typer
from pydantic import BaseModel

from contracts.printable import printable_json

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def print_json(document: BaseModel | Mapping[str, object]) -> None:
    """Print ``document`` to stdout, without control characters but its line ends."""
    text = document.model_dump_json(indent=2) if isinstance(document, BaseModel) else json.dumps(document, indent=2)
    print(printable_json(text))
