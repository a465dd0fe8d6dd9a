"""Writes ``schema.json``: what the AWS provider knows of the resources that ``terraform/`` has.

The provider itself is big, and in no registry of packages. Its schema is, in the types that the CDK for Terraform has
made from it: ``npm pack @cdktf/provider-aws@21.22.1`` (hashicorp/aws 6.25.0), unpacked; then
``python -m tests.support.terraform.fake_aws_provider.make_schema package``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

TERRAFORM = Path(__file__).resolve().parents[4] / "terraform"
SCHEMA = Path(__file__).with_name("schema.json")
_SIMPLE = {
    "string": "string",
    "number": "number",
    "boolean | cdktf.IResolvable": "bool",
    "string[]": ["list", "string"],
    "number[]": ["list", "number"],
    "{ [key: string]: string; }": ["map", "string"],
}
_GIVEN = re.compile(
    r"/\*\*(?P<says>(?:(?!\*/).)*?)#(?P<name>\w+)\}(?:(?!\*/).)*?\*/\s+"
    r"readonly \w+(?P<optional>\??): (?P<type>\{.*?\}|[^;]+);",
    re.DOTALL,
)
_GETTER = re.compile(r"^    get (\w+)\(\): ([^;]+);", re.MULTILINE)
_BASE = frozenset({"fqn", "node", "friendly_unique_id"})


def main(package: Path) -> None:
    """Write the schema of all types that stand in ``terraform/``."""
    version = json.loads((package / "package.json").read_text())["cdktf"]["provider"]["version"]
    text = "\n".join(path.read_text() for path in sorted(TERRAFORM.rglob("*.tf")))
    found = {
        kind: {
            name: _of_type(package, prefix + name)
            for name in sorted(set(re.findall(rf'^{kind} "(\w+)"', text, re.MULTILINE)))
        }
        for kind, prefix in (("resource", ""), ("data", "data_"))
    }
    SCHEMA.write_text(json.dumps({"version": version, **found}, indent=1, sort_keys=True) + "\n")


def _of_type(package: Path, name: str) -> dict[str, Any]:
    folder = name.replace("aws_", "").replace("data_", "data-aws-").replace("_", "-")
    text = (package / "lib" / folder / "index.d.ts").read_text()
    interfaces = dict(re.findall(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    (top,) = [
        each
        for each in interfaces
        if re.search(rf"^export interface {each} extends cdktf.Terraform", text, re.MULTILINE)
    ]
    schema = _block(interfaces, interfaces[top])
    last = text[text.rindex("export declare class") :]
    for getter, kind in _GETTER.findall(last):
        attribute = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", getter).lower()
        if attribute not in {*schema["attributes"], *schema["blocks"], *_BASE} and not attribute.endswith("_input"):
            schema["attributes"][attribute] = {"type": _SIMPLE.get(kind, "dynamic"), "given": "never"}
    return schema


def _block(interfaces: dict[str, str], body: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    blocks: dict[str, Any] = {}
    for match in _GIVEN.finditer(body):
        kind = re.sub(r"\s+", " ", match["type"]).removesuffix(" | cdktf.IResolvable").strip()
        kind = "boolean | cdktf.IResolvable" if kind == "boolean" else kind
        given = "optional" if match["optional"] else "required"
        nested = kind.removesuffix("[]")
        if re.search(r"^\s*\* \w+ block$", match["says"], re.MULTILINE) and nested in interfaces:
            blocks[match["name"]] = {
                **_block(interfaces, interfaces[nested]),
                "given": given,
                "many": kind.endswith("[]"),
            }
        else:
            attributes[match["name"]] = {"type": _SIMPLE.get(kind, "dynamic"), "given": given}
    return {"attributes": attributes, "blocks": blocks}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
