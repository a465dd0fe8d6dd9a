"""Deployment of the flow: create or update it in a NiFi, and start it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from contracts.number_text import counted
from nifi.client import Context, NiFiClient, Parameter, Processor, Service
from nifi.connection import Access
from nifi.definition import (
    FLOW_FILE,
    Json,
    context_name,
    context_parameters,
    differences,
    group_name,
    load_flow,
    nar_version,
    referenced_parameters,
    with_scheduling,
)
from nifi.encryption import KEY, KEY_VARIABLES, STRATEGY, check_encryption, mode_of, unused_parameters
from nifi.environment import Environment, load_environment
from nifi.errors import InvalidFlowError, MissingParameterError, NiFiTimeoutError, UnknownParameterError
from nifi.listen_tls import LISTEN_TLS, ListenTls, with_listen_tls

Report = Callable[[str], None]

_C = TypeVar("_C", Processor, Service)
_CONTEXT_DESCRIPTION = "Environment of the flow csv-ingestion-raw-to-minio: addresses, bucket, credentials."
_SETTLE_DEADLINE_S = 60.0
_POLL_S = 0.25
_START_AGAIN_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The result of a deployment.

    Attributes:
        group_id: Id of the process group.
        created: Whether the group is new.
        flow_changes: Changes of an existing group, one line each.
        parameters_set: Names of the parameters with a new value. NiFi does not reveal values of secrets, so if one of
            several given secrets is new, all of them are listed.
        started: Whether a component had to be enabled or started.
    """

    group_id: str
    created: bool
    flow_changes: tuple[str, ...]
    parameters_set: tuple[str, ...]
    started: bool

    @property
    def changed(self) -> bool:
        """Return whether the deployment changed NiFi."""
        return self.created or self.started or bool(self.flow_changes) or bool(self.parameters_set)


def deploy(
    *,
    url: str | None = None,
    environment: str = "local",
    parameters: Mapping[str, str] | None = None,
    scheduling: Mapping[str, Mapping[str, Any]] | None = None,
    flow_file: Path = FLOW_FILE,
    access: Access | None = None,
    report: Report = lambda _: None,
    connect: Callable[..., NiFiClient] = NiFiClient,
) -> Deployment:
    """Deploy the flow to the NiFi at ``url``: parameter context, process group, services, start.

    The value of a parameter is the first of: ``parameters``, the environment's file, the value in NiFi, the default in
    the flow definition. ``scheduling`` changes processors by name (``{"Fetch the chunk": {"retryCount": 3}}``).
    ``connect`` opens the client, given the URL and ``access``. With the parameter ``listen.tls=mutual``, ListenHTTP
    accepts connections with a client certificate only.

    Raises:
        UnknownParameterError: The flow has no parameter of that name. Nothing was changed.
        MissingParameterError: A parameter that the flow needs has no value. Nothing was changed.
        InvalidParameterError: ``listen.tls`` has another value than ``none`` and ``mutual``. Nothing was changed.
        SettingsError: The encryption of the objects is invalid. Nothing was changed.
        InvalidFlowError: A processor or service is invalid. Nothing was started; running components keep running.
        NiFiApiError: NiFi refused a change, for example to remove a connection that holds FlowFiles.
        NiFiUnreachableError: NiFi does not answer.
    """
    settings = load_environment(environment)
    flow = with_scheduling(load_flow(flow_file), {**settings.scheduling, **(scheduling or {})})
    client = connect(url or settings.url, access=access or Access.from_environment())
    report(f"NiFi {client.version()} at {client.url}")
    context = client.find_context(context_name(flow))
    given = {**settings.parameters, **(parameters or {})}
    wanted = _with_encryption(_resolve_parameters(flow, given, context), given, context)
    flow = with_listen_tls(flow, ListenTls.parse(next(p.value for p in wanted if p.name == LISTEN_TLS)))
    _check_values(flow, wanted, settings)
    parameters_set = _put_context(client, flow, wanted, context, report)
    group_id, created, changes = _put_group(client, flow, report)
    started = start_group(client, group_id, report)
    if not (created or changes or parameters_set or started):
        report("nothing to change")
    return Deployment(
        group_id=group_id,
        created=created,
        flow_changes=tuple(changes),
        parameters_set=tuple(parameters_set),
        started=started,
    )


def _resolve_parameters(flow: Json, given: Mapping[str, str], context: Context | None) -> list[Parameter]:
    """Return every parameter of the flow with its value. The value of a secret that NiFi has is asterisks."""
    declared = {parameter["name"]: parameter for parameter in context_parameters(flow)}
    unknown = given.keys() - declared.keys()
    if unknown:
        raise UnknownParameterError(
            f"unknown parameter {', '.join(sorted(unknown))}; the flow has: {', '.join(sorted(declared))}",
            parameters=sorted(unknown),
        )
    found = []
    for name, parameter in sorted(declared.items()):
        current = context.value_of(name) if context else None
        value = given.get(name, current if current is not None else parameter.get("value"))
        found.append(
            Parameter(
                name=name, value=value, sensitive=parameter["sensitive"], description=parameter.get("description", "")
            )
        )
    return found


def _with_encryption(wanted: list[Parameter], given: Mapping[str, str], context: Context | None) -> list[Parameter]:
    """Check the encryption of the objects, and remove the key that NiFi has if it is for another strategy.

    Raises:
        SettingsError: It is invalid.
    """
    values = {parameter.name: parameter.value for parameter in wanted}
    strategy = values.get(STRATEGY)
    if strategy is None:  # a flow of another kind
        return wanted
    check_encryption(strategy=strategy, endpoint=values.get("s3.endpoint"), key=given.get(KEY))
    if KEY in given or (context and context.value_of(STRATEGY) == strategy):
        return wanted
    return [replace(parameter, value=None) if parameter.name == KEY else parameter for parameter in wanted]


def _check_values(flow: Json, wanted: Sequence[Parameter], environment: Environment) -> None:
    strategy = next((parameter.value for parameter in wanted if parameter.name == STRATEGY), None)
    needed = referenced_parameters(flow) - unused_parameters(strategy)
    unset = [parameter.name for parameter in wanted if not parameter.value and parameter.name in needed]
    unset += sorted(needed - {parameter.name for parameter in wanted})
    if unset:
        variables = dict(environment.variables)
        if strategy is not None and mode_of(strategy) in KEY_VARIABLES:
            variables[KEY] = KEY_VARIABLES[mode_of(strategy)]
        remedies = [f"{name} ({_describe_remedy(name, variables)})" for name in unset]
        raise MissingParameterError(f"parameters without a value: {', '.join(remedies)}", parameters=unset)


def _describe_remedy(name: str, variables: Mapping[str, str]) -> str:
    variable = variables.get(name)
    if variable is None:
        return f"set it with --set {name}=VALUE or in nifi/parameters"
    return f"set the environment variable {variable}, or {variable}_FILE"


def _put_context(
    client: NiFiClient, flow: Json, wanted: list[Parameter], context: Context | None, report: Report
) -> list[str]:
    name = context_name(flow)
    if context is None:
        client.create_context(name, _CONTEXT_DESCRIPTION, wanted)
        report(f"parameter context {name} created with {counted(len(wanted), 'parameter')}")
        return [parameter.name for parameter in wanted]
    # A secret that was not given has the value that NiFi returned: asterisks.
    changed = [p for p in wanted if p.name not in context.parameters or context.value_of(p.name) != p.value]
    # With the key of another strategy, the encryption service is invalid, so both change in one request.
    together = {KEY} if any(p.name == STRATEGY for p in changed) else set()
    secrets = [p for p in changed if p.sensitive and p.name not in together]
    changed = [p for p in changed if p not in secrets]
    set_now = [p.name for p in changed]
    if changed:
        client.update_context(context, changed)
    if secrets and client.update_context(context, secrets):
        set_now += [p.name for p in secrets]
    if set_now:
        report(f"parameters set: {', '.join(set_now)}")
    return set_now


def _put_group(client: NiFiClient, flow: Json, report: Report) -> tuple[str, bool, list[str]]:
    name = group_name(flow)
    group_id = client.find_group(name)
    if group_id is None:
        group_id = client.create_group(name, flow)
        report(f"process group {name} created")
        return group_id, True, []
    changes = _changes(client, flow, group_id)
    for change in changes:
        report(f"changing {change}")
    if changes:
        client.replace_group(group_id, flow)
    return group_id, False, changes


def _changes(client: NiFiClient, flow: Json, group_id: str) -> list[str]:
    """Return how the deployed group differs from ``flow``.

    A NiFi of another version than the file migrates a flow on import: properties get new names, values and defaults. If
    the flows differ in such a NiFi, the deployed flow is compared with this NiFi's own import of the file.
    """
    deployed, defaults = client.export_group(group_id), client.property_defaults(group_id)
    changes = differences(flow, deployed, defaults=defaults)
    if not changes or client.version() == nar_version(flow):
        return changes
    return differences(_import_and_export(client, flow), deployed, defaults=defaults)


def _import_and_export(client: NiFiClient, flow: Json) -> Json:
    """Import ``flow`` as a temporary group that is never started, and return its export."""
    temporary_id = client.create_group(f"{group_name(flow)} to compare {uuid4().hex[:8]}", flow)
    try:
        return client.export_group(temporary_id)
    finally:
        client.delete_group(temporary_id)


def start_group(client: NiFiClient, group_id: str, report: Report) -> bool:
    """Enable the services and start the processors of a group. Return whether any was not running.

    Raises:
        InvalidFlowError: A service or processor is invalid.
        NiFiTimeoutError: They are not all running in time.
    """
    _wait_until(lambda: all(s.state != "DISABLING" for s in client.services(group_id)), "services disabled")
    services = _await_validation(lambda: client.services(group_id))
    idle_services = [service for service in services if service.state != "ENABLED"]
    _check_valid(services)
    if idle_services:
        client.set_services_enabled(group_id, enabled=True)
        _wait_until(
            lambda: all(s.state == "ENABLED" for s in client.services(group_id)), "all controller services enabled"
        )
    processors = _await_validation(lambda: client.processors(group_id))
    _check_valid(processors)
    idle = [processor.name for processor in processors if processor.state != "RUNNING"]
    if idle:
        _wait_until(lambda: _start_processors(client, group_id), "all processors running", pause_s=_START_AGAIN_S)
        report(f"{counted(len(idle), 'processor')} started")
    return bool(idle or idle_services)


def _start_processors(client: NiFiClient, group_id: str) -> bool:
    """Start the processors that are not running. Return whether all are running.

    One request is not enough: NiFi ignores it for a processor that is still stopping, which it reports as stopped.
    """
    if all(processor.state == "RUNNING" for processor in client.processors(group_id)):
        return True
    client.set_running(group_id, running=True)
    return all(processor.state == "RUNNING" for processor in client.processors(group_id))


def _await_validation(fetch: Callable[[], list[_C]]) -> list[_C]:
    """Wait until NiFi has validated all components, and return them."""
    found: list[_C] = []

    def are_validated() -> bool:
        found[:] = fetch()
        return all(component.validation != "VALIDATING" for component in found)

    _wait_until(are_validated, "all components validated")
    return found


def _check_valid(components: Sequence[Processor | Service]) -> None:
    invalid = [component for component in components if component.validation != "VALID"]
    if invalid:
        reasons = "; ".join(f"{c.name!r}: {' '.join(c.errors) or c.validation}" for c in invalid)
        raise InvalidFlowError(f"invalid components: {reasons}", components=[c.name for c in invalid])


def _wait_until(
    condition: Callable[[], bool], what: str, timeout_s: float = _SETTLE_DEADLINE_S, pause_s: float = _POLL_S
) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise NiFiTimeoutError(f"timed out after {timeout_s:.0f} s waiting for: {what}")
        time.sleep(pause_s)
