"""Flow definitions: load, save, normalise and compare them, and list their parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from nifi.errors import FlowFileError

FLOW_FILE = Path(__file__).parent / "flow" / "csv-ingestion-raw-to-minio.json"

Json = dict[str, Any]
Defaults = Mapping[str, Mapping[str, str | None]]
"""The default of each property in a NiFi, by instance id of the processor or service, and by name."""

_PARAMETER = re.compile(r"#\{\s*(?:'([^']+)'|([^}']+?))\s*\}")
_COMPONENTS = ("processors", "controllerServices", "connections", "funnels", "labels", "inputPorts", "outputPorts")
_INSTANCE_FIELDS = frozenset({"instanceIdentifier", "scheduledState", "groupIdentifier", "groupId"})
"""Fields that differ between two NiFis with the same flow."""
_VERSION_FIELDS = frozenset({"propertyDescriptors", "bundle", "controllerServiceApis", "properties"})
"""Fields that a newer NiFi fills in. Properties are compared one by one."""


KEPT_AT_DEFAULT = frozenset({("org.apache.nifi.processors.attributes.UpdateAttribute", "Store State")})
"""Types and names of properties that an export keeps even at their default.

When NiFi 2.3.0 restores a flow, it passes null to UpdateAttribute for an unset `Store State`. The processor then counts
as stateful, has an additional relationship without a connection, and is invalid after every restart.
"""


def load_flow(path: Path = FLOW_FILE) -> Json:
    """Read a flow definition.

    Raises:
        FlowFileError: The file is missing, or is not an export of NiFi.
    """
    try:
        flow = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FlowFileError(f"flow definition {path} not found", path=str(path)) from error
    except ValueError as error:
        raise FlowFileError(f"{path} is not JSON: {error}", path=str(path)) from error
    if not isinstance(flow, dict) or "flowContents" not in flow:
        raise FlowFileError(f"{path} is not a flow definition: 'flowContents' is missing", path=str(path))
    return flow


def save_flow(flow: Mapping[str, Any], path: Path = FLOW_FILE) -> bool:
    """Write a flow definition in a stable order, for readable diffs. Return whether the file has changed."""
    text = json.dumps(flow, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def group_name(flow: Mapping[str, Any]) -> str:
    """Return the name of the process group in the definition."""
    return str(flow["flowContents"]["name"])


def nar_version(flow: Mapping[str, Any]) -> str:
    """Return the version of NiFi's own NARs at the time of the export."""
    versions = {processor["bundle"]["version"] for processor in flow["flowContents"]["processors"]}
    return str(max(versions, default=""))


def context_name(flow: Mapping[str, Any]) -> str:
    """Return the name of the parameter context that the group uses.

    Raises:
        FlowFileError: The group uses none.
    """
    name = flow["flowContents"].get("parameterContextName")
    if not name:
        raise FlowFileError(f"process group {group_name(flow)} in the flow definition has no parameter context")
    return str(name)


def context_parameters(flow: Mapping[str, Any]) -> list[Json]:
    """Return the parameters of the group's context: ``name``, ``description``, ``sensitive``, optionally ``value``."""
    parameters: list[Json] = flow["parameterContexts"][context_name(flow)]["parameters"]
    return parameters


def referenced_parameters(flow: Mapping[str, Any]) -> set[str]:
    """Return the names of all parameters that properties refer to, as ``#{name}``."""
    contents = flow["flowContents"]
    values = [
        value
        for kind in ("processors", "controllerServices")
        for component in contents.get(kind, [])
        for value in component["properties"].values()
    ]
    return {a or b for value in values if value for a, b in _PARAMETER.findall(value)}


def normalise_export(
    export: Mapping[str, Any], *, defaults: Mapping[str, str], property_defaults: Defaults | None = None
) -> Json:
    """Return an export of NiFi in the form that is kept in git.

    Instance ids are removed and lists are sorted. Properties without a value or at their default are removed, as an
    export lists every property of its NAR, and another NAR would treat an unknown one as a dynamic property. Values of
    parameters are replaced by ``defaults``, as those in the export belong to one environment.
    """
    flow = _with_stable_group_id(dict(export))
    contents = flow["flowContents"]
    for kind in ("processors", "controllerServices"):
        for component in contents.get(kind, []):
            _drop_defaults(component, (property_defaults or {}).get(component.get("instanceIdentifier", ""), {}))
    _drop(contents, frozenset({"instanceIdentifier"}))
    contents["position"] = {"x": 0.0, "y": 0.0}
    for kind in _COMPONENTS:
        contents[kind] = sorted(contents.get(kind, []), key=_order)
        for component in contents[kind]:
            _sort_plain_lists(component)
            if "controllerServiceApis" in component:
                component["controllerServiceApis"].sort(key=lambda api: str(api["type"]))
    for context in flow["parameterContexts"].values():
        context["parameters"] = sorted(context["parameters"], key=lambda parameter: parameter["name"])
        for parameter in context["parameters"]:
            parameter.pop("value", None)
            if parameter["name"] in defaults:
                parameter["value"] = defaults[parameter["name"]]
    return flow


def with_scheduling(flow: Mapping[str, Any], scheduling: Mapping[str, Mapping[str, Any]]) -> Json:
    """Return the flow with changed settings (``retryCount``, ``penaltyDuration`` ...) of processors, given by name.

    Raises:
        FlowFileError: The flow has no such processor, or processors have no such setting.
    """
    changed = deepcopy(dict(flow))
    processors = {processor["name"]: processor for processor in changed["flowContents"]["processors"]}
    for name, settings in scheduling.items():
        if name not in processors:
            raise FlowFileError(f"unknown processor {name!r}; the flow has: {', '.join(sorted(processors))}")
        unknown = settings.keys() - processors[name].keys()
        if unknown:
            raise FlowFileError(f"unknown setting of processor {name!r}: {', '.join(sorted(unknown))}")
        processors[name].update(settings)
    return changed


def differences(
    wanted: Mapping[str, Any],
    deployed: Mapping[str, Any],
    *,
    defaults: Defaults | None = None,
    properties: bool = True,
) -> list[str]:
    """Return the changes that turn ``deployed`` into ``wanted``, one line each. Empty if they are equal.

    A property that only the deployed side lists is ignored at its default in ``defaults``, as another version of a NAR
    can have more properties. If ``properties`` is false, no properties are compared.
    """
    known = defaults or {}
    found = (
        [] if context_name(wanted) == deployed["flowContents"].get("parameterContextName") else ["parameter context"]
    )
    for kind in _COMPONENTS:
        ours = {c["identifier"]: c for c in wanted["flowContents"].get(kind, [])}
        theirs = {c["identifier"]: c for c in deployed["flowContents"].get(kind, [])}
        found += [f"new: {_label(ours[i])}" for i in sorted(ours.keys() - theirs.keys())]
        found += [f"gone: {_label(theirs[i])}" for i in sorted(theirs.keys() - ours.keys())]
        for identifier in sorted(ours.keys() & theirs.keys()):
            at_default = known.get(theirs[identifier].get("instanceIdentifier", ""), {})
            changes = sorted(_changes(ours[identifier], theirs[identifier], at_default if properties else None))
            found += [f"{_label(ours[identifier])}: {', '.join(changes)}"] if changes else []
    return found


def _with_stable_group_id(flow: Json) -> Json:
    """Return the flow with a group id derived from the group's name: NiFi creates a new id with each import."""
    old = flow["flowContents"]["identifier"]
    renamed: Json = json.loads(json.dumps(flow).replace(old, str(uuid5(NAMESPACE_URL, group_name(flow)))))
    return renamed


def _changes(wanted: Json, deployed: Json, defaults: Mapping[str, str | None] | None) -> Iterator[str]:
    wanted, deployed = _comparable(wanted), _comparable(deployed)
    for name in wanted.keys() - _VERSION_FIELDS:
        if wanted[name] != deployed.get(name):
            yield name
    if defaults is None:
        return
    ours, theirs = wanted.get("properties", {}), deployed.get("properties", {})
    for name in ours.keys() | theirs.keys():
        if ours.get(name, defaults.get(name)) != theirs.get(name):
            yield name


def _comparable(component: Json) -> Json:
    copied = deepcopy(component)
    _drop(copied, _INSTANCE_FIELDS)
    for end in ("source", "destination"):  # a connection repeats the comments of its ends
        if end in copied:
            copied[end] = copied[end]["id"]
    _sort_plain_lists(copied)
    return copied


def _drop(node: object, names: frozenset[str]) -> None:
    if isinstance(node, dict):
        for name in names & node.keys():
            del node[name]
        for value in node.values():
            _drop(value, names)
    elif isinstance(node, list):
        for value in node:
            _drop(value, names)


def _drop_defaults(component: Json, defaults: Mapping[str, str | None]) -> None:
    properties = component.get("properties", {})
    idle = [name for name, value in properties.items() if value is None or value == defaults.get(name)]
    for name in idle:
        if properties[name] is not None and (component["type"], name) in KEPT_AT_DEFAULT:
            continue
        del properties[name]
        component["propertyDescriptors"].pop(name, None)


def _sort_plain_lists(component: Json) -> None:
    for name, value in component.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            component[name] = sorted(value)


def _order(component: Json) -> tuple[str, ...]:
    ends = (component[end]["name"] for end in ("source", "destination") if end in component)
    return (component.get("name") or "", *ends, component["identifier"])


def _label(component: Json) -> str:
    kind = str(component["componentType"]).lower().replace("_", " ")
    if "source" in component:
        return f"{kind} from {component['source']['name']!r} to {component['destination']['name']!r}"
    return f"{kind} {component.get('name')!r}"
