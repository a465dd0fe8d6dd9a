"""The Hanoi overlay is secure by default: every connection is encrypted, and both of its ends are checked."""

from __future__ import annotations

import re

import pytest

from aws.encryption import Encryption
from nifi.encryption import STRATEGY, encryption_parameters
from nifi.environment import load_environment
from tests.support.docs.shell_blocks import shell_blocks
from tests.support.kubernetes.manifests import ROOT, UPLOADER, Json, Manifests, Pods, load_external_secrets, option
from uploader.settings import Settings, load_settings

PAGE = ROOT / "docs" / "how-to" / "kubernetes.md"
PLAIN_SCHEMA = re.compile(r'"schema": "http",')
CLIENT_PROPERTIES = re.compile(r"```properties\n(.*?)```", re.DOTALL)

ENCRYPTION = {"S3_ENCRYPTION": "encryption", "S3_KMS_KEY_ID": "kms_key_id", "S3_SSE_C_KEY": "sse_c_key"}
"""Variables of the encryption at rest, and what the same is called in the extra of the connection ``s3_raw``."""


@pytest.fixture
def settings(hanoi: Manifests, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a replica."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in hanoi.environment(hanoi.uploader()).items():
        monkeypatch.setenv(name, value)
    return load_settings()


def files_of(pods: Pods) -> set[str]:
    """Return the paths at which the pods have the keys of a Secret."""
    mounts = {mount["name"]: mount["mountPath"] for mount in pods.container["volumeMounts"]}
    return {
        f"{mounts[volume['name']]}/{item['path']}"
        for volume in pods.spec["volumes"]
        for item in volume.get("secret", {}).get("items", [])
    }


def test_uploader_needs_keys_and_encrypts_every_connection(settings: Settings) -> None:
    assert settings.access == "keys"
    assert settings.kafka_security == "scram"
    assert settings.base_url.startswith("https://")
    assert str(settings.s3_endpoint).startswith("https://")


def test_database_without_tls_is_refused_whatever_its_address_says(hanoi: Manifests) -> None:
    """The address is a secret of the operator. libpq takes from these variables what is not in it."""
    environment = hanoi.environment(hanoi.uploader())
    assert environment["PGSSLMODE"] == "verify-full"
    assert environment["PGSSLROOTCERT"] in files_of(hanoi.uploader())


@pytest.mark.parametrize("name", [UPLOADER, "csv-nifi-flow", "csv-kafka-topics"])
def test_every_file_that_a_variable_names_is_mounted_from_a_secret(hanoi: Manifests, name: str) -> None:
    (pods,) = [pods for pods in hanoi.pods() if pods.owner["metadata"]["name"] == name]
    named = {value for value in hanoi.environment(pods).values() if re.fullmatch(r"/etc/[a-z-]+/[a-z.]+", value)}
    assert named
    assert named <= files_of(pods)


def test_probes_use_https(hanoi: Manifests) -> None:
    container = hanoi.uploader().container
    schemes = {container[name]["httpGet"]["scheme"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert schemes == {"HTTPS"}


def test_ingress_checks_the_certificate_of_the_uploader(hanoi: Manifests) -> None:
    annotations = hanoi.get("Ingress", UPLOADER)["metadata"]["annotations"]
    short = {name.removeprefix("nginx.ingress.kubernetes.io/"): value for name, value in annotations.items()}
    service = hanoi.get("Service", UPLOADER)["metadata"]
    assert short["backend-protocol"] == "HTTPS"
    assert short["proxy-ssl-verify"] == short["proxy-ssl-server-name"] == "on"
    assert short["proxy-ssl-name"] == f"{service['name']}.{service['namespace']}.svc.cluster.local"
    namespace, _, secret = short["proxy-ssl-secret"].partition("/")
    assert "ca.crt" in keys(secret, namespace)


def keys(secret: str, namespace: str) -> set[str]:
    (found,) = [
        each["spec"]
        for each in load_external_secrets()
        if (each["metadata"]["name"], each["metadata"]["namespace"]) == (secret, namespace)
    ]
    return {entry["secretKey"] for entry in found["data"]}


def test_flow_talks_tls_and_admits_airflow_alone(hanoi: Manifests) -> None:
    flow = Pods(hanoi.get("Job", "csv-nifi-flow"))
    parameters = load_environment("hanoi", environ={}).parameters
    assert parameters["s3.endpoint"].startswith("https://")
    assert parameters["source.url.pattern"].startswith("https://")
    assert {option(flow, f"tls-{name}") for name in ("certificate", "key", "ca")} <= files_of(flow)
    subject = re.compile(option(flow, "tls-authorized-subject"))
    assert subject.fullmatch("CN=airflow")
    assert subject.fullmatch("CN=airflow,O=Open House")
    assert not subject.fullmatch("CN=airflow2")
    assert not subject.fullmatch("CN=mallory,O=airflow")


@pytest.mark.parametrize("name", [UPLOADER, "csv-nifi-flow"])
def test_encryption_of_the_uploader_and_the_flow_is_in_one_secret(hanoi: Manifests, name: str) -> None:
    (pods,) = [pods for pods in hanoi.pods() if pods.owner["metadata"]["name"] == name]
    assert ENCRYPTION.keys() <= hanoi.environment(pods).keys()
    for variable in pods.container["env"]:
        if variable["name"] in ENCRYPTION:
            assert variable["valueFrom"]["secretKeyRef"] == {"name": "csv-s3-encryption", "key": variable["name"]}
    assert ENCRYPTION.keys() <= keys("csv-s3-encryption", "csv-ingestion")


def test_encryption_of_the_dags_is_that_of_the_uploader_and_the_flow() -> None:
    ours, airflow = remotes("csv-s3-encryption"), remotes("csv-ingestion-connections")
    template = next(
        each["spec"]["target"]["template"]["data"]["AIRFLOW_CONN_S3_RAW"]
        for each in load_external_secrets()
        if each["metadata"]["name"] == "csv-ingestion-connections"
    )
    page = PAGE.read_text()
    typed = dict(re.findall(r"--from-literal=(S3_\w+)=(\S*)", page))
    for variable, extra in ENCRYPTION.items():
        (secret,) = re.findall(rf'"{extra}": \{{\{{ \.(\w+) \| toJson \}}\}}', template)
        assert airflow[secret] == ours[variable]
        assert f'"{extra}": "{typed[variable]}"' in page
    Encryption.from_settings(
        typed["S3_ENCRYPTION"], kms_key_id=typed["S3_KMS_KEY_ID"], customer_key=typed["S3_SSE_C_KEY"]
    )


def test_flow_accepts_the_empty_keys_of_a_mode_without_one() -> None:
    given = {"S3_ENCRYPTION": "sse-s3", "S3_KMS_KEY_ID": "", "S3_SSE_C_KEY": ""}
    assert encryption_parameters(given) == {STRATEGY: "SSE_S3"}


def remotes(secret: str) -> dict[str, Json]:
    """Return where each key of a Secret comes from."""
    (found,) = [each["spec"] for each in load_external_secrets() if each["metadata"]["name"] == secret]
    return {entry["secretKey"]: entry["remoteRef"] for entry in found["data"]}


def test_kafka_login_of_the_topics_job_is_the_same_by_hand_and_from_the_store() -> None:
    (typed,) = CLIENT_PROPERTIES.findall(PAGE.read_text())
    (stored,) = [
        each["spec"]["target"]["template"]["data"]["client.properties"]
        for each in load_external_secrets()
        if each["metadata"]["name"] == "csv-kafka-topics-client"
    ]
    assert properties(typed) == properties(stored)
    assert properties(typed)["security.protocol"] == "SASL_SSL"


def properties(text: str) -> dict[str, str]:
    """Return the properties of a file without the name and the password of the login."""
    pairs = (line.partition("=")[::2] for line in text.splitlines() if line)
    return {name: re.sub(r"(username|password)=(\{\{.*?\}\}|\".*?\")", r"\1=", value) for name, value in pairs}


def test_secrets_are_created_before_what_uses_them() -> None:
    texts = [block.text for block in shell_blocks(PAGE)]
    made = next(i for i, text in enumerate(texts) if "secret generic csv-uploader-access" in text)
    applied = next(i for i, text in enumerate(texts) if "apply -k k8s/overlays/hanoi" in text)
    assert made < applied


def test_cluster_has_no_address_in_plain_text(hanoi: Manifests) -> None:
    texts = [str(each.get("data", "")) for each in hanoi.of("ConfigMap")]
    texts += [str(each["spec"]["target"].get("template", "")) for each in load_external_secrets()]
    texts += [str(hanoi.environment(pods)) for pods in hanoi.pods()]
    plain = {url for text in texts for url in re.findall(r"http://[\w.$()-]+", text)}
    assert plain == set()
    assert plain_kafka(hanoi) == []
    assert plain_connections(texts) == {"airflow-api-server.airflow.svc.cluster.local"}, "Airflow's own, see the page"


def plain_connections(texts: list[str]) -> set[str]:
    """Return the hosts of Airflow's connections without TLS."""
    found = [re.search(r'"host": "([^"]+)"', text[at.end() :]) for text in texts for at in PLAIN_SCHEMA.finditer(text)]
    return {host[1] for host in found if host}


def plain_kafka(hanoi: Manifests) -> list[Json]:
    """Return the rules that admit connections to the port of Kafka without TLS."""
    return [
        port
        for policy in hanoi.of("NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for port in rule.get("ports", [])
        if port.get("port") == 9092
    ]
