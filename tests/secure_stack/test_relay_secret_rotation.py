"""The secrets of the object store, of NiFi and of Airflow are replaced while uploads land, as docs/security.md says."""

from __future__ import annotations

import secrets
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from aws.encryption import Encryption, EncryptionMode
from contracts.names import DAG_CHUNK_INGESTION, DAG_LISTENER
from nifi.client import NiFiClient
from nifi.connection import Access
from nifi.encryption import encryption_parameters
from nifi.errors import NiFiUnreachableError
from nifi.listen_tls import tls_parameters
from stack.airflow_connections import airflow_connections
from stack.certificates import Certificates
from stack.components.airflow import Airflow
from stack.components.nifi import NiFi
from stack.local import LocalStack
from stack.private_file import write_private
from stack.report import ConsoleReport
from stack.tls import tls_context
from tests.support.network.served_certificate import wait_until_served
from tests.support.pipeline.nifi_flow import deploy_flow
from tests.support.pipeline.pipeline import Pipeline
from tests.support.pipeline.trickle import trickle_of_uploads
from tests.support.s3.minio_access_keys import MinioAccessKeys
from tests.support.services import running_stack
from tests.support.waiting import wait_until

_IN_DATABASE = ("s3_raw", "nifi_rest_api")
"""Connections that this stack's Airflow has in its database, where they can be changed while it runs."""
_AIRFLOW = {
    **{f"AIRFLOW_CONN_{name.upper()}": "" for name in _IN_DATABASE},
    "CSV_INGESTION_LISTENER_RETRIES": "40",
    "CSV_INGESTION_LISTENER_RETRY_DELAY_S": "3",
}
_ENDED = {"success", "failed"}
_AT_WORK = {"queued", "running", "restarting"}
"""States of a task that goes on although its DAG is paused."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Yield a whole secure stack. Its Airflow has the connections to NiFi and the object store in its database."""
    root = tmp_path_factory.mktemp("rotation")
    with running_stack(root, None, report=ConsoleReport(), secure=True, airflow_environment=_AIRFLOW) as stack:
        pipeline = Pipeline(stack)
        for name in _IN_DATABASE:
            change_connection(pipeline, name)
        yield pipeline


def change_connection(pipeline: Pipeline, name: str, *, extra: dict[str, str] | None = None, **fields: str) -> None:
    """Change a connection in Airflow's database. Whatever is not given is as this stack sets it."""
    own = airflow_connections(pipeline.stack.context)[name]
    pipeline.airflow.set_connection(name, {**own, **fields, "extra": {**own["extra"], **(extra or {})}})


def restart(pipeline: Pipeline, component: str, **settings: Any) -> None:
    """Restart a component with other settings of the stack."""
    stack = pipeline.stack
    changed = stack.context.settings.model_copy(update=settings)
    pipeline.stack = LocalStack(root=stack.root, dist=stack.dist, settings=changed)
    pipeline.stack.restart(component)


def write_keystore(pipeline: Pipeline, certificates: Certificates) -> None:
    """Replace NiFi's own key store."""
    context = pipeline.stack.context
    content = certificates.pkcs12_keystore("nifi", context.secrets.nifi_keystore_password)
    write_private(context.config_dir("nifi") / "keystore.p12", content)


def write_truststore(pipeline: Pipeline, *authorities: Certificates) -> None:
    """Replace NiFi's own trust store by one of several authorities."""
    context = pipeline.stack.context
    read = [x509.load_pem_x509_certificate(each.ca_file.read_bytes()) for each in authorities]
    entries = [pkcs12.PKCS12Certificate(each, str(number).encode()) for number, each in enumerate(read)]
    password = context.secrets.nifi_keystore_password.get_secret_value().encode()
    content = pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(password))
    write_private(context.config_dir("nifi") / "truststore.p12", content)


def access_with(certificates: Certificates, *, ca_file: Path) -> Access:
    """Return how NiFi's administrator connects with a certificate of ``certificates``."""
    files = certificates.files("admin")
    return Access(ca_file=str(ca_file), cert_file=str(files.certificate), key_file=str(files.key))


def is_accepted(component: NiFi, access: Access) -> bool:
    """Return whether NiFi's API accepts a connection."""
    try:
        NiFiClient(component.url, access=access).version()
    except NiFiUnreachableError:
        return False
    return True


def can_post(pipeline: Pipeline, certificates: Certificates, *, ca_file: Path) -> bool:
    """Return whether ListenHTTP accepts a connection with Airflow's certificate."""
    verify = tls_context(ca_file, certificates.files("airflow"))
    try:
        httpx.get(NiFi(pipeline.stack.context).addresses()["ingest"], verify=verify, timeout=30, trust_env=False)
    except httpx.TransportError:
        return False
    return True


def wait_for_runs_that_have_begun(pipeline: Pipeline) -> None:
    """Wait until all runs that are active now have ended: their tasks may have read a connection already."""
    begun = {run["dag_run_id"] for run in _active_runs(pipeline)}
    pipeline.wait(
        lambda: not begun & {run["dag_run_id"] for run in _active_runs(pipeline)}, "runs that have begun are ended", 120
    )


def test_s3_access_keys(pipeline: Pipeline, tmp_path: Path) -> None:
    keys = MinioAccessKeys(pipeline.stack.context)

    def use(access_key: str, secret_key: str) -> None:
        deploy_flow(pipeline.stack, {"s3.access.key": access_key, "s3.secret.key": secret_key})
        change_connection(pipeline, "s3_raw", login=access_key, password=secret_key)

    use("key-old", keys.add("key-old"))
    with trickle_of_uploads(pipeline, tmp_path, name="access-key") as trickle:
        trickle.next_upload()
        use("key-new", keys.add("key-new"))
        wait_for_runs_that_have_begun(pipeline)
        keys.delete("key-old")
        trickle.land_next_upload()
    pipeline.check_nothing_left_over()


def test_encryption_mode_and_customer_key(pipeline: Pipeline, tmp_path: Path) -> None:
    """In the end, the uploader removes the files of landed chunks, although their objects have a former key."""
    first, second = (b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    with trickle_of_uploads(pipeline, tmp_path, name="customer-key") as trickle:
        for key in (first, second):
            pipeline.encryptions.append(Encryption.from_settings(EncryptionMode.SSE_C, customer_key=key))
            trickle.next_upload()
            pipeline.airflow.set_paused(DAG_LISTENER, paused=True)
            pipeline.wait(partial(_nothing_on_its_way, pipeline), "nothing is on its way", 120)
            change_connection(pipeline, "s3_raw", extra={"encryption": "sse-c", "sse_c_key": key})
            deploy_flow(pipeline.stack, encryption_parameters({"S3_ENCRYPTION": "sse-c", "S3_SSE_C_KEY": key}))
            pipeline.airflow.set_paused(DAG_LISTENER, paused=False)
            trickle.land_next_upload()
    pipeline.check_nothing_left_over()

    change_connection(pipeline, "s3_raw")
    deploy_flow(pipeline.stack, {})  # without encryption again
    former = {"S3_SSE_C_OLD_KEYS": f"{second},{first}", "CLEANUP_AFTER_HOURS": "0"}
    restart(pipeline, "uploader", uploader_environment=former)
    for upload in trickle.accepted:
        pipeline.wait(partial(_is_cleaned, pipeline, upload.upload_id), f"files of {upload.upload_id} removed", 120)


def test_certificate_of_nifi(pipeline: Pipeline, tmp_path: Path) -> None:
    context = pipeline.stack.context
    component, files = NiFi(context), context.certificates.files("nifi")
    pid = pipeline.stack.process("nifi").pid
    with trickle_of_uploads(pipeline, tmp_path, name="nifi-certificate") as trickle:
        trickle.next_upload()
        files.certificate.unlink()
        assert context.certificates.renew() == ["nifi"]
        component.configure()
        wait_until_served(context.settings.nifi_port, files.certificate)
        deploy_flow(pipeline.stack, {})
        wait_until_served(context.settings.nifi_ingest_port, files.certificate)
        trickle.land_next_upload()
    pipeline.check_nothing_left_over()
    assert pipeline.stack.process("nifi").pid == pid


def test_authority_of_nifi_and_its_clients(pipeline: Pipeline, tmp_path: Path) -> None:
    """At every moment, NiFi and its clients trust each other's certificate. In the end, only new ones are accepted."""
    context = pipeline.stack.context
    component, old = NiFi(context), context.certificates
    new = Certificates(tmp_path / "new", host=context.settings.host)
    new.renew()
    both = tmp_path / "both.pem"
    both.write_bytes(old.ca_file.read_bytes() + new.ca_file.read_bytes())
    new_access = access_with(new, ca_file=both)
    client, server = new.files("airflow"), new.files("nifi")
    presented = {"cert": str(client.certificate), "key": str(client.key)}
    with trickle_of_uploads(pipeline, tmp_path, name="authority") as trickle:
        trickle.next_upload()
        write_truststore(pipeline, old, new)
        deploy_flow(pipeline.stack, tls_parameters(ca=both))
        wait_until(partial(is_accepted, component, new_access), what="NiFi trusts the new authority", deadline_s=120)
        change_connection(pipeline, "nifi_rest_api", extra={**presented, "verify": str(both)})
        trickle.land_next_upload()

        write_keystore(pipeline, new)
        wait_until_served(context.settings.nifi_port, server.certificate)
        renewed = tls_parameters(certificate=server.certificate, key=server.key, ca=new.ca_file)
        deploy_flow(pipeline.stack, renewed, access=new_access)
        write_truststore(pipeline, new)
        change_connection(pipeline, "nifi_rest_api", extra={**presented, "verify": str(new.ca_file)})
        old_access = access_with(old, ca_file=both)
        wait_until(lambda: not is_accepted(component, old_access), what="the old authority is refused", deadline_s=120)
        trickle.land_next_upload()
    assert not can_post(pipeline, old, ca_file=new.ca_file)
    assert can_post(pipeline, new, ca_file=new.ca_file)

    component.configure()
    wait_until(partial(is_accepted, component, component.access()), what="NiFi has its own stores", deadline_s=120)
    deploy_flow(pipeline.stack, {})
    change_connection(pipeline, "nifi_rest_api")
    pipeline.check_nothing_left_over()


def test_keys_of_airflow(pipeline: Pipeline, tmp_path: Path) -> None:
    old = pipeline.stack.context.secrets.airflow_fernet_key.get_secret_value()
    fernet, other = urlsafe_b64encode(secrets.token_bytes(32)).decode(), secrets.token_urlsafe(64)
    changed = {**_AIRFLOW, "AIRFLOW__API__SECRET_KEY": other, "AIRFLOW__API_AUTH__JWT_SECRET": other}
    with trickle_of_uploads(pipeline, tmp_path, name="airflow-keys") as trickle:
        trickle.next_upload()
        restart(pipeline, "airflow", airflow_environment={**changed, "AIRFLOW__CORE__FERNET_KEY": f"{fernet},{old}"})
        run_airflow(pipeline, "rotate-fernet-key")
        trickle.next_upload()
        restart(pipeline, "airflow", airflow_environment={**changed, "AIRFLOW__CORE__FERNET_KEY": fernet})
        trickle.land_next_upload()
    pipeline.check_nothing_left_over()


def run_airflow(pipeline: Pipeline, *arguments: str) -> None:
    """Run Airflow's command line with the environment of the running processes."""
    spec = Airflow(pipeline.stack.context).processes()[0]
    command = [sys.executable, "-m", "airflow", *arguments]
    environment = dict(spec.env)
    done = subprocess.run(
        command, env=environment, cwd=spec.cwd, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _active_runs(pipeline: Pipeline) -> list[dict[str, Any]]:
    return [run for run in pipeline.airflow.runs(DAG_CHUNK_INGESTION, limit=100) if run["state"] not in _ENDED]


def _nothing_on_its_way(pipeline: Pipeline) -> bool:
    """Return whether the paused listener starts no run any more, and none goes on."""
    runs = [run["dag_run_id"] for run in pipeline.airflow.runs(DAG_LISTENER, limit=100) if run["state"] not in _ENDED]
    listening = [task["state"] for run in runs for task in pipeline.airflow.task_instances(DAG_LISTENER, run)]
    return (
        not any(state in _AT_WORK for state in listening)
        and not _active_runs(pipeline)
        and pipeline.queued_in_nifi() == 0
    )


def _is_cleaned(pipeline: Pipeline, upload_id: str) -> bool:
    return all(chunk["state"] == "cleaned" for chunk in pipeline.status(upload_id)["chunks"])
