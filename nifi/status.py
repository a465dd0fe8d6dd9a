"""The state of the deployed flow: does it run, what waits in it, and whose PutS3Object writes the objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nifi.client import NiFiClient, Processor, Queue, Service
from nifi.connection import Access
from nifi.definition import (
    FLOW_FILE,
    context_name,
    differences,
    group_name,
    load_flow,
    nar_version,
    referenced_parameters,
)
from nifi.errors import NotDeployedError

PUT_S3_OBJECT = "org.apache.nifi.processors.aws.s3.PutS3Object"
_STANDIN_SIGN = "STAND-IN"


@dataclass(frozen=True, kw_only=True)
class FlowStatus:
    """What :func:`status` found.

    Attributes:
        s3_nar: ``Apache``, ``stand-in`` or ``none``.
        unset_parameters: parameters that the flow refers to and that have no value.
        changes: how the deployed flow differs from the file; not counting retries and concurrency set on deployment.
        properties_compared: whether properties count. They do not where NiFi has another version than the file: it has
            renamed some on import, and only a deployment can tell.
    """

    url: str
    version: str
    processors: Sequence[Processor]
    services: Sequence[Service]
    queues: Sequence[Queue]
    unset_parameters: Sequence[str]
    s3_nar: str
    changes: Sequence[str]
    properties_compared: bool = True

    @property
    def faults(self) -> list[str]:
        """Return why the flow does not work as it should; empty when it does."""
        found = [f"parameter {name} has no value" for name in self.unset_parameters]
        found += ["no NAR holds PutS3Object"] if self.s3_nar == "none" else []
        for component, good in [(p, "RUNNING") for p in self.processors] + [(s, "ENABLED") for s in self.services]:
            if component.validation == "INVALID":
                found.append(f"{component.name!r} is invalid: {' '.join(component.errors)}")
            elif component.state != good:
                found.append(f"{component.name!r} is {component.state}")
        return found

    @property
    def queued_count(self) -> int:
        """Number of FlowFiles in the group."""
        return sum(queue.count for queue in self.queues)


def status(*, url: str, flow_file: Path = FLOW_FILE, access: Access | None = None) -> FlowStatus:
    """Look at the flow in the NiFi at ``url``.

    Raises:
        NotDeployedError: this NiFi has no such process group.
        NiFiUnreachableError: NiFi does not answer.
    """
    flow = load_flow(flow_file)
    client = NiFiClient(url, access=access or Access.from_environment())
    version = client.version()
    group_id = client.find_group(group_name(flow))
    if group_id is None:
        raise NotDeployedError(f"{client.url} has no process group {group_name(flow)}: csvpipe nifi deploy")
    context = client.find_context(context_name(flow))
    valued = (
        {name for name, parameter in context.parameters.items() if parameter.value is not None} if context else set()
    )
    same_version = version == nar_version(flow)
    deployed, defaults = client.export_group(group_id), client.property_defaults(group_id)
    return FlowStatus(
        url=client.url,
        version=version,
        processors=client.processors(group_id),
        services=client.services(group_id),
        queues=client.queues(group_id),
        unset_parameters=sorted(referenced_parameters(flow) - valued),
        s3_nar=s3_nar_origin(client),
        changes=differences(flow, deployed, defaults=defaults, properties=same_version),
        properties_compared=same_version,
    )


def s3_nar_origin(client: NiFiClient) -> str:
    """Return whose ``nifi-aws-nar`` runs: ``Apache``, ``stand-in`` or ``none``."""
    described = client.describe_type(PUT_S3_OBJECT)
    if described is None:
        return "none"
    return "stand-in" if _STANDIN_SIGN in described[1] else "Apache"
