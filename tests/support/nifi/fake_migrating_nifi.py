"""A fake of NiFi 2.7 for deployments. Its renames on import are from Apache's source, not from a recording."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any
from uuid import uuid4

from nifi.client import Context, Parameter, Processor, Service
from nifi.definition import Json

RENAMED: Mapping[str, Mapping[str, str]] = {
    "ListenHTTP": {
        "client-authentication": "Client Authentication",
        "authorized-issuer-dn-pattern": "Authorized Issuer DN Pattern",
        "max-thread-pool-size": "Max Thread Pool Size",
        "multipart-request-max-size": "Multipart Request Max Size",
        "multipart-read-buffer-size": "Multipart Read Buffer Size",
    },
    "PutS3Object": {
        "server-side-encryption": "Server Side Encryption",
        "AWS Credentials Provider service": "AWS Credentials Provider Service",
        "canned-acl": "Canned ACL",
        "encryption-service": "Encryption Service",
        "use-chunked-encoding": "Use Chunked Encoding",
        "use-path-style-access": "Use Path Style Access",
        "s3-temporary-directory-multipart": "Temporary Directory Multipart State",
    },
    "RetryFlowFile": {
        "retry-attribute": "Retry Attribute",
        "maximum-retries": "Maximum Retries",
        "penalize-retries": "Penalize Retries",
        "reuse-mode": "Reuse Mode",
    },
    "CryptographicHashContent": {"fail_when_empty": "Fail When Empty", "hash_algorithm": "Hash Algorithm"},
    "LogAttribute": {"attributes-to-log-regex": "Attributes to Log Regex", "character-set": "Character Set"},
    "AWSCredentialsProviderControllerService": {
        "default-credentials": "Use Default Credentials",
        "anonymous-credentials": "Use Anonymous Credentials",
    },
    "StandardS3EncryptionService": {"encryption-strategy": "Encryption Strategy"},
}
REMOVED: Mapping[str, frozenset[str]] = {
    "PutS3Object": frozenset({"Signer Override", "Write Permission User List", "Owner"}),
    # It becomes one of two properties, but with the strategy NONE there is no key.
    "StandardS3EncryptionService": frozenset({"key-id-or-key-material", "kms-region"}),
}
DEFAULTS: Mapping[str, Mapping[str, str | None]] = {
    "PutS3Object": {"Storage Class": "Standard", "Custom Region": None, "Checksum Algorithm": "CRC32"},
    "ListenHTTP": {"Request Header Maximum Size": "8 KB", "Health Check Port": None},
}


class FakeMigratingNiFi:
    """Holds process groups. Stands for the ``NiFiClient`` of a NiFi at version ``running``."""

    running = "2.7.0"

    def __init__(self, *_: object, **__: object) -> None:
        self.url = "http://fake-migrating-nifi"
        self.groups: dict[str, tuple[str, Json]] = {}
        self.imports: list[str] = []
        self.replaced = 0
        self.contexts: dict[str, Context] = {}

    def version(self) -> str:
        return self.running

    def find_group(self, name: str) -> str | None:
        return next((group_id for group_id, (known, _) in self.groups.items() if known == name), None)

    def create_group(self, name: str, flow: Json) -> str:
        group_id = uuid4().hex
        self.groups[group_id] = (name, self._migrate(flow))
        self.imports.append(name)
        return group_id

    def delete_group(self, group_id: str) -> None:
        del self.groups[group_id]

    def replace_group(self, group_id: str, flow: Json) -> None:
        self.groups[group_id] = (self.groups[group_id][0], self._migrate(flow))
        self.replaced += 1

    def export_group(self, group_id: str) -> Json:
        return deepcopy(self.groups[group_id][1])

    def property_defaults(self, group_id: str) -> dict[str, Mapping[str, str | None]]:
        flow = self.groups[group_id][1]
        return {component["instanceIdentifier"]: DEFAULTS.get(_kind(component), {}) for component in _components(flow)}

    def set_running(self, group_id: str, *, running: bool) -> None: ...

    def set_services_enabled(self, group_id: str, *, enabled: bool) -> None: ...

    def processors(self, group_id: str) -> list[Processor]:
        found = self.groups[group_id][1]["flowContents"]["processors"]
        return [Processor(name=p["name"], state="RUNNING", validation="VALID", errors=()) for p in found]

    def services(self, group_id: str) -> list[Service]:
        found = self.groups[group_id][1]["flowContents"]["controllerServices"]
        return [Service(name=s["name"], state="ENABLED", validation="VALID", errors=()) for s in found]

    def queues(self, group_id: str) -> list[Any]:
        return []

    def describe_type(self, processor_type: str) -> tuple[str, str]:
        return (f"org.apache.nifi:nifi-aws-nar:{self.running}", "Writes the contents of a FlowFile as an S3 object")

    def find_context(self, name: str) -> Context | None:
        return self.contexts.get(name)

    def create_context(self, name: str, description: str, parameters: list[Parameter]) -> None:
        self.contexts[name] = Context(id=name, parameters={parameter.name: parameter for parameter in parameters})

    def update_context(self, context: Context, parameters: list[Parameter]) -> bool:
        return False

    def _migrate(self, flow: Json) -> Json:
        migrated: Json = json.loads(json.dumps(flow))
        for component in _components(migrated):
            kind = _kind(component)
            component["instanceIdentifier"] = uuid4().hex
            component["bundle"]["version"] = self.running
            names = RENAMED.get(kind, {})
            kept = {n: v for n, v in component["properties"].items() if n not in REMOVED.get(kind, frozenset())}
            renamed = {names.get(name, name): value for name, value in kept.items()}
            component["properties"] = {**DEFAULTS.get(kind, {}), **renamed}
        return migrated


def _components(flow: Json) -> list[Json]:
    contents = flow["flowContents"]
    return [*contents["processors"], *contents["controllerServices"]]


def _kind(component: Json) -> str:
    return str(component["type"]).rsplit(".", 1)[1]
