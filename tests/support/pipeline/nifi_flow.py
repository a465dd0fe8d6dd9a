"""The flow of a running stack's NiFi, deployed again with other parameters."""

from __future__ import annotations

from collections.abc import Mapping

from nifi.connection import Access
from nifi.deploy import deploy
from stack.components.nifi import NiFi
from stack.local import LocalStack


def deploy_flow(stack: LocalStack, parameters: Mapping[str, str], *, access: Access | None = None) -> None:
    """Do what ``csvpipe nifi deploy`` does, with ``parameters`` as the only ones that are not this stack's own."""
    component = NiFi(stack.context)
    own = component.flow_parameters()
    deploy(url=component.url, parameters={**own, **parameters}, access=access or component.access())
    component.await_ingest()
