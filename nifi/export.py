"""Export of the flow from NiFi to the file in git, after an edit in NiFi's UI."""

from __future__ import annotations

from pathlib import Path

from nifi.client import NiFiClient
from nifi.connection import Access
from nifi.definition import (
    FLOW_FILE,
    context_parameters,
    differences,
    group_name,
    load_flow,
    normalise_export,
    save_flow,
)
from nifi.errors import NotDeployedError
from nifi.listen_tls import without_listen_tls


def export(*, url: str, flow_file: Path = FLOW_FILE, access: Access | None = None) -> list[str]:
    """Write the flow in the NiFi at ``url`` to ``flow_file``. Return the changes, one line each.

    The values of the parameters in the file are kept, as those in NiFi belong to its environment.

    Raises:
        NotDeployedError: The process group does not exist in this NiFi.
        NiFiUnreachableError: NiFi does not answer.
    """
    kept = load_flow(flow_file)
    client = NiFiClient(url, access=access or Access.from_environment())
    group_id = client.find_group(group_name(kept))
    if group_id is None:
        raise NotDeployedError(
            f"process group {group_name(kept)} not found in {client.url}. Deploy it first with 'csvpipe nifi deploy'"
        )
    defaults = {p["name"]: p["value"] for p in context_parameters(kept) if "value" in p}
    deployed = without_listen_tls(client.export_group(group_id))
    exported = normalise_export(deployed, defaults=defaults, property_defaults=client.property_defaults(group_id))
    changes = differences(exported, kept)
    if save_flow(exported, flow_file) and not changes:
        return ["parameters or descriptions"]
    return changes
