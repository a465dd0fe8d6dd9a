"""The types that the page has of the API, compared with the OpenAPI document."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.docs.shell_blocks import ROOT

SCHEMAS: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())["components"]["schemas"]
_TYPES = (ROOT / "web" / "src" / "api" / "types.ts").read_text()
INTERFACES = {
    name: dict(re.findall(r"^  (\w+): (.+)$", body, re.MULTILINE))
    for name, body in re.findall(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", _TYPES, re.MULTILINE | re.DOTALL)
}


def test_page_has_types() -> None:
    assert len(INTERFACES) > 15
    assert INTERFACES["UploadSummary"]["error"] == "string | null"


@pytest.mark.parametrize("name", INTERFACES)
def test_type_of_the_page_is_one_of_the_api(name: str) -> None:
    properties = SCHEMAS[name]["properties"]
    assert set(INTERFACES[name]) <= set(properties)
    can_be_null = {each for each in INTERFACES[name] if {"type": "null"} in properties[each].get("anyOf", ())}
    assert can_be_null == {each for each, kind in INTERFACES[name].items() if kind.endswith("| null")}


def test_page_knows_every_state() -> None:
    for constant, schema in (("STATUSES", "Status"), ("CHUNK_STATES", "ChunkState")):
        [listed] = re.findall(rf"{constant} = \[([^\]]+)\]", _TYPES)
        assert set(re.findall(r"'(\w+)'", listed)) == set(SCHEMAS[schema]["enum"])
