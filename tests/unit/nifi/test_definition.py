"""Comparison of flow definitions, and normalisation of exports."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from nifi.definition import (
    Json,
    context_name,
    differences,
    load_flow,
    normalise_export,
    referenced_parameters,
    save_flow,
    with_scheduling,
)
from nifi.errors import FlowFileError


@pytest.fixture
def flow() -> Json:
    return load_flow()


def _processor(flow: Json, name: str) -> Json:
    found: Json = next(p for p in flow["flowContents"]["processors"] if p["name"] == name)
    return found


def test_same_flow_in_another_nifi_is_not_a_change(flow: Json) -> None:
    elsewhere = deepcopy(flow)
    for processor in elsewhere["flowContents"]["processors"]:
        processor.update(instanceIdentifier="of that NiFi", groupIdentifier="another", scheduledState="RUNNING")
        processor["bundle"]["version"] = "2.4.0"
    elsewhere["flowContents"]["processors"].reverse()
    assert differences(flow, elsewhere) == []


def test_changed_property_is_named(flow: Json) -> None:
    deployed = deepcopy(flow)
    _processor(deployed, "Fetch the chunk")["properties"]["HTTP Method"] = "POST"
    assert differences(flow, deployed) == ["processor 'Fetch the chunk': HTTP Method"]


def test_additional_property_at_its_default_is_not_a_change(flow: Json) -> None:
    deployed = deepcopy(flow)
    put = _processor(deployed, "Put the object")
    put.update(instanceIdentifier="i")
    put["properties"]["Expiration"] = "never"
    assert differences(flow, deployed, defaults={"i": {"Expiration": "never"}}) == []
    assert differences(flow, deployed, defaults={"i": {"Expiration": "soon"}}) == [
        "processor 'Put the object': Expiration"
    ]


def test_property_removed_from_the_file_is_a_change(flow: Json) -> None:
    wanted = deepcopy(flow)
    del _processor(wanted, "Put the object")["properties"]["upload-id"]
    assert differences(wanted, flow) == ["processor 'Put the object': upload-id"]


def test_new_and_removed_components_are_named(flow: Json) -> None:
    smaller = deepcopy(flow)
    contents = smaller["flowContents"]
    contents["processors"] = [p for p in contents["processors"] if p["name"] != "Log the landing"]
    contents["connections"] = [c for c in contents["connections"] if c["destination"]["name"] != "Log the landing"]
    assert differences(flow, smaller) == [
        "new: processor 'Log the landing'",
        "new: connection from 'Put the object' to 'Log the landing'",
    ]
    assert [line.partition(":")[0] for line in differences(smaller, flow)] == ["gone", "gone"]


def test_another_parameter_context_is_a_change(flow: Json) -> None:
    deployed = deepcopy(flow)
    del deployed["flowContents"]["parameterContextName"]
    assert differences(flow, deployed) == ["parameter context"]


def test_comment_of_a_processor_is_not_a_change_of_its_connections(flow: Json) -> None:
    deployed = deepcopy(flow)
    _processor(deployed, "Put the object")["comments"] = "new"
    for connection in deployed["flowContents"]["connections"]:
        connection["source"]["comments"] = connection["destination"]["comments"] = "new"
    assert differences(flow, deployed) == ["processor 'Put the object': comments"]


def test_export_is_independent_of_ids_values_and_order(flow: Json) -> None:
    export = deepcopy(flow)
    contents = export["flowContents"]
    for number, processor in enumerate(contents["processors"]):
        processor.update(instanceIdentifier=str(number))
        processor["properties"]["Unset"] = None
        processor["propertyDescriptors"]["Unset"] = {"name": "Unset"}
    contents["processors"].reverse()
    contents["connections"].reverse()
    contents["position"] = {"x": 7.0, "y": 8.0}
    for parameter in export["parameterContexts"][context_name(flow)]["parameters"]:
        parameter["value"] = "of that environment"
    defaults = {"s3.bucket": "raw"}

    normal = normalise_export(export, defaults=defaults)

    assert normal == normalise_export(flow, defaults=defaults)
    assert "of that environment" not in str(normal)


def test_export_drops_properties_at_their_default(flow: Json) -> None:
    """As Apache's NAR exports it: properties that the stand-in would take for user metadata of every object."""
    export = deepcopy(flow)
    put = _processor(export, "Put the object")
    put.update(instanceIdentifier="i")
    at_default = {"FullControl User List": "${s3.permissions.full.users}", "s3-object-remove-tags-prefix": "false"}
    changed = {"Storage Class": "StandardInfrequentAccess"}
    for name, value in {**at_default, **changed}.items():
        put["properties"][name] = value
        put["propertyDescriptors"][name] = {"name": name}
    defaults: dict[str, dict[str, str | None]] = {
        "i": {**at_default, "Storage Class": "Standard", "Cache Control": None},
        "another": {"Bucket": "raw"},
    }

    normal = normalise_export(export, defaults={}, property_defaults=defaults)

    exported = _processor(normal, "Put the object")
    assert exported["properties"].keys() == exported["propertyDescriptors"].keys()
    assert exported["properties"].items() >= changed.items()
    assert not exported["properties"].keys() & at_default.keys()
    assert exported["properties"]["sha256"], "what has no default stays"


def test_export_keeps_a_default_needed_after_a_restart(flow: Json) -> None:
    export = deepcopy(flow)
    name = _processor(export, "Name the object")
    name.update(instanceIdentifier="i")
    normal = normalise_export(export, defaults={}, property_defaults={"i": {"Store State": "Do not store state"}})
    kept = _processor(normal, "Name the object")
    assert kept["properties"]["Store State"] == "Do not store state"
    assert "Store State" in kept["propertyDescriptors"]


def test_property_reset_to_its_default_is_removed_from_the_file(flow: Json) -> None:
    export = deepcopy(flow)
    fetch = _processor(export, "Fetch the chunk")
    fetch.update(instanceIdentifier="i")
    fetch["properties"]["Response Redirects Enabled"] = "True"
    defaults = {"i": {"Response Redirects Enabled": "True"}}
    normal = normalise_export(export, defaults={}, property_defaults=defaults)
    assert "Response Redirects Enabled" not in _processor(normal, "Fetch the chunk")["properties"]
    assert differences(normal, export, defaults=defaults) == []


def test_export_does_not_depend_on_the_order_of_a_services_interfaces(flow: Json) -> None:
    export = deepcopy(flow)
    (service,) = [s for s in export["flowContents"]["controllerServices"] if s["name"] == "S3 credentials"]
    assert len(service["controllerServiceApis"]) > 1
    service["controllerServiceApis"].reverse()
    assert normalise_export(export, defaults={}) == normalise_export(flow, defaults={})


def test_parameters_are_found_in_expressions_too() -> None:
    properties = {"a": "#{one}", "b": "${x:matches(#{two.three})} #{ 'four 4' }", "c": None, "d": "# {no}"}
    flow: Json = {"flowContents": {"processors": [{"properties": properties}]}}
    assert referenced_parameters(flow) == {"one", "two.three", "four 4"}


def test_scheduling_changes_only_the_named_processor(flow: Json) -> None:
    quick = with_scheduling(flow, {"Put the object": {"retryCount": 1}})
    assert differences(quick, flow) == ["processor 'Put the object': retryCount"]


@pytest.mark.parametrize("scheduling", [{"No such": {"retryCount": 1}}, {"Put the object": {"retries": 1}}])
def test_scheduling_of_unknown_names_is_refused(flow: Json, scheduling: dict[str, dict[str, int]]) -> None:
    with pytest.raises(FlowFileError, match=r"No such|retries"):
        with_scheduling(flow, scheduling)


def test_unchanged_flow_is_not_written(flow: Json, tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    assert save_flow(flow, path)
    assert not save_flow(flow, path)
    assert load_flow(path) == flow


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_invalid_flow_file_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "flow.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FlowFileError, match=r"flow\.json"):
        load_flow(path)
