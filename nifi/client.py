"""Client of NiFi's REST API with our own types and errors. Only this module and `connection` use nipyapi."""

# ruff: noqa: ANN401  nipyapi has no types

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nifi.connection import Access, open_connection
from nifi.definition import Json
from nifi.errors import NiFiApiError, NiFiTimeoutError

_REPLACED = "Successfully updated flow but could not re-enable"
"""Begin of NiFi's reason if the group was replaced, and its services are not all enabled again."""
_POLL_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Processor:
    """A processor of the group. ``state`` is RUNNING, STOPPED, DISABLED ..."""

    name: str
    state: str
    validation: str
    errors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A controller service of the group. ``state`` is ENABLED, DISABLED ..."""

    name: str
    state: str
    validation: str
    errors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A connection and the number and size of its queued FlowFiles."""

    source: str
    destination: str
    count: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a context. ``value`` is None if no value is set, and asterisks if the parameter is sensitive."""

    name: str
    value: str | None
    sensitive: bool
    description: str


@dataclass(frozen=True, kw_only=True)
class Context:
    """A parameter context."""

    id: str
    parameters: Mapping[str, Parameter]

    def value_of(self, name: str) -> str | None:
        """Return the value of the parameter ``name``, or None if the parameter does not exist or has no value."""
        return self.parameters[name].value if name in self.parameters else None


class NiFiClient:
    """Client of the NiFi at ``url`` (``http://host:port``, without ``/nifi-api``)."""

    def __init__(self, url: str, *, access: Access | None = None) -> None:
        self.url = url.rstrip("/").removesuffix("/nifi-api")
        self._client = open_connection(f"{self.url}/nifi-api", access or Access())

    def version(self) -> str:
        """Return the version of NiFi.

        Raises:
            NiFiUnreachableError: NiFi does not answer.
        """
        return str(self._flow().get_about_info().about.version)

    def root_group(self) -> str:
        """Return the id of the group at the top level, which NiFi creates."""
        # The status does not require a right on the group itself.
        return str(self._flow().get_process_group_status("root").process_group_status.id)

    def grant(self, resource: str, action: Literal["read", "write"], identities: Sequence[str]) -> None:
        """Allow users, given by the subjects of their certificates, an action on a resource such as ``/flow``.

        Users who may do it already keep this right.

        Raises:
            NiFiApiError: NiFi does not know a user, or the caller must not change rights.
        """
        known = {user.component.identity: str(user.id) for user in self._tenants().get_users().users or []}
        if unknown := set(identities) - known.keys():
            raise NiFiApiError(f"{self.url} has no user {', '.join(sorted(unknown))}", status=404)
        wanted = {known[identity] for identity in identities}
        policy = self._policy(resource, action)
        if policy is None:
            component = {"resource": resource, "action": action, "users": [{"id": user} for user in sorted(wanted)]}
            self._policies().create_access_policy(body={"revision": {"version": 0}, "component": component})
            return
        present = {str(user.id) for user in policy.component.users or []}
        if wanted <= present:
            return
        component = {"id": policy.id, "users": [{"id": user} for user in sorted(wanted | present)]}
        body = {"id": policy.id, "revision": self._plain(policy.revision), "component": component}
        self._policies().update_access_policy(body=body, id=policy.id)

    def _policy(self, resource: str, action: str) -> Any:
        """Return the policy of exactly this resource, or None: NiFi also answers with one that is inherited."""
        try:
            # Not by PoliciesApi, which would quote the slashes of the resource.
            found = self._client.call_api(
                f"/policies/{action}{resource}",
                "GET",
                response_type="AccessPolicyEntity",
                auth_settings=["bearerAuth"],
                _return_http_data_only=True,
            )
        except NiFiApiError as error:
            if error.extra.get("status") != 404:
                raise
            return None
        return found if found.component.resource == resource else None

    def find_group(self, name: str) -> str | None:
        """Return the id of the process group ``name`` at the top level, or None."""
        groups = self._groups().get_process_groups("root").process_groups or []
        return next((str(group.id) for group in groups if group.component.name == name), None)

    def create_group(self, name: str, flow: Json) -> str:
        """Import a flow definition as a stopped process group, and return its id."""
        entity = self._groups().upload_process_group(
            "root",
            file=("flow.json", json.dumps(flow).encode(), "application/json"),
            group_name=name,
            position_x="0",  # text: nipyapi passes form fields to urllib3 unchanged
            position_y="0",
            client_id="csvpipe",
        )
        return str(entity.id)

    def delete_group(self, group_id: str) -> None:
        """Delete a process group that is stopped and empty."""
        revision = self._groups().get_process_group(group_id).revision
        self._groups().remove_process_group(group_id, version=str(revision.version), client_id="csvpipe")

    def replace_group(self, group_id: str, flow: Json) -> None:
        """Change a group into ``flow``. Unchanged components keep running, and queued FlowFiles are kept.

        A changed service can be disabled afterwards.

        Raises:
            NiFiApiError: ``flow`` lacks a connection that holds FlowFiles, so NiFi would have to drop them.
        """
        revision = self._groups().get_process_group(group_id).revision
        body = {
            "processGroupRevision": self._plain(revision),
            "versionedFlowSnapshot": flow,
            "disconnectedNodeAcknowledged": False,
        }
        started = self._groups().initiate_replace_process_group(body=body, id=group_id)
        request_id = started.request.request_id
        try:
            self._await_request(lambda: self._groups().get_replace_process_group_request(request_id).request)
        except NiFiApiError as error:
            # NiFi does not wait for a service that was being enabled in vain, because it was invalid.
            if _REPLACED not in error.detail:
                raise
        finally:
            self._groups().delete_replace_process_group_request(request_id)

    def export_group(self, group_id: str) -> Json:
        """Return the group's flow definition as NiFi exports it."""
        text = self._groups().export_process_group(group_id, include_referenced_services=True)
        exported: Json = json.loads(text)
        return exported

    def property_defaults(self, group_id: str) -> dict[str, dict[str, str | None]]:
        """Return the default of each property, by id of its processor or service and by name."""
        processors = self._groups().get_processors(group_id).processors or []
        found = {entity.id: entity.component.config.descriptors for entity in processors}
        found |= {entity.id: entity.component.descriptors for entity in self._service_entities(group_id)}
        return {
            identifier: {name: descriptor.default_value for name, descriptor in descriptors.items()}
            for identifier, descriptors in found.items()
        }

    def set_running(self, group_id: str, *, running: bool) -> None:
        """Start or stop all processors of the group."""
        body = {"id": group_id, "state": "RUNNING" if running else "STOPPED", "disconnectedNodeAcknowledged": False}
        self._flow().schedule_components(body=body, id=group_id)

    def set_services_enabled(self, group_id: str, *, enabled: bool) -> None:
        """Request to enable or disable all controller services of the group. Does not wait for the result."""
        body = {"id": group_id, "state": "ENABLED" if enabled else "DISABLED", "disconnectedNodeAcknowledged": False}
        self._flow().activate_controller_services(body=body, id=group_id)

    def processors(self, group_id: str) -> list[Processor]:
        """Return the group's processors by name."""
        entities = self._groups().get_processors(group_id).processors or []
        return sorted((Processor(**_state_of(e.component)) for e in entities), key=lambda p: p.name)

    def services(self, group_id: str) -> list[Service]:
        """Return the group's controller services by name."""
        return sorted(
            (Service(**_state_of(e.component)) for e in self._service_entities(group_id)), key=lambda s: s.name
        )

    def queues(self, group_id: str) -> list[Queue]:
        """Return the connections that hold FlowFiles."""
        snapshot = self._flow().get_process_group_status(group_id, recursive=True).process_group_status
        entities = snapshot.aggregate_snapshot.connection_status_snapshots
        waiting = [e.connection_status_snapshot for e in entities if e.connection_status_snapshot.flow_files_queued]
        return [
            Queue(
                source=each.source_name,
                destination=each.destination_name,
                count=each.flow_files_queued,
                size_bytes=each.bytes_queued,
            )
            for each in waiting
        ]

    def find_context(self, name: str) -> Context | None:
        """Return the parameter context ``name``, or None."""
        contexts = self._flow().get_parameter_contexts().parameter_contexts or []
        found = next((context for context in contexts if context.component.name == name), None)
        if found is None:
            return None
        parameters = (entity.parameter for entity in found.component.parameters or [])
        return Context(
            id=found.id,
            parameters={
                p.name: Parameter(
                    name=p.name, value=p.value, sensitive=bool(p.sensitive), description=p.description or ""
                )
                for p in parameters
            },
        )

    def create_context(self, name: str, description: str, parameters: list[Parameter]) -> None:
        """Create a parameter context."""
        component = {"name": name, "description": description, "parameters": [_parameter(p) for p in parameters]}
        body = {"revision": {"version": 0}, "component": component}
        self._contexts().create_parameter_context(body=body)

    def update_context(self, context: Context, parameters: list[Parameter]) -> bool:
        """Set ``parameters`` and keep all others. NiFi restarts the components that refer to a changed value.

        Returns:
            Whether a component referred to a changed value. For a sensitive parameter this is the only sign that its
            value has changed.
        """
        entity = self._contexts().get_parameter_context(context.id)
        component = {"id": context.id, "parameters": [_parameter(p) for p in parameters]}
        body = {"id": context.id, "revision": self._plain(entity.revision), "component": component}
        started = self._contexts().submit_parameter_context_update(body=body, context_id=context.id)
        request_id = started.request.request_id
        try:
            done = self._await_request(
                lambda: self._contexts().get_parameter_context_update(context.id, request_id).request
            )
            return bool(done.referencing_components)
        finally:
            self._contexts().delete_update_request(context.id, request_id)

    def describe_type(self, processor_type: str) -> tuple[str, str] | None:
        """Return ``(bundle, description)`` of a processor type, or None if no NAR contains it."""
        types = self._flow().get_processor_types(type=processor_type).processor_types or []
        if not types:
            return None
        bundle = types[0].bundle
        return f"{bundle.group}:{bundle.artifact}:{bundle.version}", types[0].description or ""

    def _await_request(self, poll: Callable[[], Any], timeout_s: float = 120.0) -> Any:
        deadline = time.monotonic() + timeout_s
        while True:
            request = poll()
            if request.failure_reason:
                raise NiFiApiError(f"{self.url}: request failed: {request.failure_reason}")
            if request.complete:
                return request
            if time.monotonic() > deadline:
                raise NiFiTimeoutError(
                    f"{self.url}: request not complete after {timeout_s:.0f} s, in state {request.state!r}"
                )
            time.sleep(_POLL_S)

    def _service_entities(self, group_id: str) -> list[Any]:
        found = self._flow().get_controller_services_from_group(
            group_id, include_ancestor_groups=False, include_descendant_groups=True
        )
        return found.controller_services or []

    def _plain(self, model: object) -> object:
        return self._client.sanitize_for_serialization(model)

    def _flow(self) -> Any:
        from nipyapi.nifi import FlowApi

        return FlowApi(self._client)

    def _groups(self) -> Any:
        from nipyapi.nifi import ProcessGroupsApi

        return ProcessGroupsApi(self._client)

    def _contexts(self) -> Any:
        from nipyapi.nifi import ParameterContextsApi

        return ParameterContextsApi(self._client)

    def _policies(self) -> Any:
        from nipyapi.nifi import PoliciesApi

        return PoliciesApi(self._client)

    def _tenants(self) -> Any:
        from nipyapi.nifi import TenantsApi

        return TenantsApi(self._client)


def _state_of(component: Any) -> dict[str, Any]:
    return {
        "name": component.name,
        "state": component.state,
        "validation": component.validation_status,
        "errors": tuple(component.validation_errors or ()),
    }


def _parameter(parameter: Parameter) -> Json:
    described = {"name": parameter.name, "sensitive": parameter.sensitive, "description": parameter.description}
    # Without this mark, NiFi keeps the value that the parameter has.
    value = {"valueRemoved": True} if parameter.value is None else {"value": parameter.value}
    return {"parameter": {**described, **value}}
