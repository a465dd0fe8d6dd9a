"""Status of the deployed flow: state of its components, queues, changes, and the origin of PutS3Object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from nifi.encryption import STRATEGY, unused_parameters
from nifi.errors import NotDeployedError
from nifi.listen_tls import LISTEN_TLS, LISTEN_TLS_AUTHORIZED_SUBJECT, ListenTls, with_listen_tls

PUT_S3_OBJECT = "org.apache.nifi.processors.aws.s3.PutS3Object"
_STANDIN_MARK = "STAND-IN"


@dataclass(frozen=True, kw_only=True)
class FlowStatus:
    """The result of :func:`status`.

    Attributes:
        s3_nar: Origin of PutS3Object: ``Apache``, ``stand-in`` or ``none``.
        unset_parameters: Parameters that the flow refers to and that have no value.
        listen_tls: Whether ListenHTTP requires a client certificate, whose subject matches ``authorized_subject``.
        changes: Differences between the deployed flow and the file. The file has no scheduling of environments.
        properties_compared: Whether ``changes`` includes properties. It does not if NiFi has another version than the
            file, as NiFi renames some on import, and only a deployment can compare them.
    """

    url: str
    version: str
    processors: Sequence[Processor]
    services: Sequence[Service]
    queues: Sequence[Queue]
    unset_parameters: Sequence[str]
    s3_nar: str
    listen_tls: ListenTls
    authorized_subject: str | None
    changes: Sequence[str]
    properties_compared: bool = True

    @property
    def faults(self) -> list[str]:
        """Return the reasons why the flow does not work. Empty if it works."""
        found = [f"parameter {name} has no value" for name in self.unset_parameters]
        found += ["no NAR contains PutS3Object"] if self.s3_nar == "none" else []
        for component, good in [(p, "RUNNING") for p in self.processors] + [(s, "ENABLED") for s in self.services]:
            if component.validation == "INVALID":
                found.append(f"{component.name!r} is invalid: {' '.join(component.errors)}")
            elif component.state != good:
                found.append(f"{component.name!r} is {component.state}")
        return found

    @property
    def queued_count(self) -> int:
        """Number of queued FlowFiles in the group."""
        return sum(queue.count for queue in self.queues)


def status(
    *,
    url: str,
    flow_file: Path = FLOW_FILE,
    access: Access | None = None,
    connect: Callable[..., NiFiClient] = NiFiClient,
) -> FlowStatus:
    """Return the status of the flow in the NiFi at ``url``. ``connect`` opens the client.

    Raises:
        NotDeployedError: The process group does not exist in this NiFi.
        NiFiUnreachableError: NiFi does not answer.
    """
    flow = load_flow(flow_file)
    client = connect(url, access=access or Access.from_environment())
    version = client.version()
    group_id = client.find_group(group_name(flow))
    if group_id is None:
        raise NotDeployedError(
            f"process group {group_name(flow)} not found in {client.url}. Deploy it with 'csvpipe nifi deploy'"
        )
    context = client.find_context(context_name(flow))
    listen_tls = ListenTls.parse(context.value_of(LISTEN_TLS) if context else None)
    flow = with_listen_tls(flow, listen_tls)
    valued = (
        {name for name, parameter in context.parameters.items() if parameter.value is not None} if context else set()
    )
    strategy = context.value_of(STRATEGY) if context else None
    same_version = version == nar_version(flow)
    deployed, defaults = client.export_group(group_id), client.property_defaults(group_id)
    return FlowStatus(
        url=client.url,
        version=version,
        processors=client.processors(group_id),
        services=client.services(group_id),
        queues=client.queues(group_id),
        unset_parameters=sorted(referenced_parameters(flow) - valued - unused_parameters(strategy)),
        s3_nar=s3_nar_origin(client),
        listen_tls=listen_tls,
        authorized_subject=context.value_of(LISTEN_TLS_AUTHORIZED_SUBJECT) if context else None,
        changes=differences(flow, deployed, defaults=defaults, properties=same_version),
        properties_compared=same_version,
    )


def s3_nar_origin(client: NiFiClient) -> str:
    """Return the origin of the running ``nifi-aws-nar``: ``Apache``, ``stand-in`` or ``none``."""
    described = client.describe_type(PUT_S3_OBJECT)
    if described is None:
        return "none"
    return "stand-in" if _STANDIN_MARK in described[1] else "Apache"
