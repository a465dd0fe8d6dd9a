"""The whole ingestion pipeline from outside: uploads by HTTP, and checks on each service itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from confluent_kafka import Consumer, KafkaException, TopicPartition

from aws.encryption import Encryption
from contracts.manifest import Manifest
from contracts.names import BUCKET_RAW, DAG_CHUNK_INGESTION, DAG_LISTENER, TOPIC_DEAD_LETTER, TOPIC_INGEST, manifest_key
from contracts.permissions import Permission
from stack.airflow_api import AirflowApiError
from stack.components.airflow import Airflow
from stack.components.minio import Minio
from stack.components.nifi import NiFi
from stack.components.uploader import Uploader
from stack.kafka_users import ADMIN, CONSUMER_GROUP, client_properties
from stack.local import LocalStack
from stack.ports import free_ports
from stack.s3 import s3_client
from stack.tls import tls_context
from tests.support.pipeline.csv_data import CsvFile
from tests.support.pipeline.landing_check import check_landing
from tests.support.pipeline.nifi_flow import deploy_flow
from tests.support.uploader.live_directory import entries
from tests.support.waiting import wait_until

_BOUNDARY = "csvpipe-test-boundary"
_UPLOAD_TIMEOUT_S = 300.0
_RECEIVED_IN = (".receiving", ".resumable")
"""Directories of the uploader that have what is being received."""
_FINAL = {"landed", "failed", "aborted"}
_WRONG_KEY = {400, 403}
"""Statuses of MinIO's answer if an object is encrypted with another customer key, or with none."""
_UNANSWERED = (
    httpx.TransportError,
    httpx.HTTPStatusError,
    AirflowApiError,
    KafkaException,
    BotoCoreError,
    ClientError,
)


class Pipeline:
    """A running stack, as its user and its operator see it."""

    def __init__(self, stack: LocalStack, *, uploader_ca_file: Path | None = None) -> None:
        """Create a client of everything. It trusts the stack's authority, and for the uploader another one if given."""
        self.stack = stack
        context = stack.context
        self._uploader_ca_file = uploader_ca_file or context.ca_file
        self.uploader_url = Uploader(context).url
        self.airflow = Airflow(context).api
        self._nifi_api = f"{NiFi(context).url}/nifi-api"
        self._nifi_log = NiFi(context).app_log
        self._verify = tls_context(self._uploader_ca_file)
        self.client_key = context.secrets.client_key.get_secret_value()
        self._key = {"Authorization": f"Bearer {self.client_key}"}
        self._nifi_verify = tls_context(context.ca_file, context.certificates.files("admin"))
        self._temp_dir = stack.context.data_dir("uploader")
        self._minio_dir = stack.context.data_dir("minio")
        self._complete = self._running()
        self._begun_at = datetime.now(UTC)
        self._dead_letters = 0
        self.s3 = s3_client(context, Minio(context).endpoint)
        self.encryptions = [Encryption()]
        """How objects may be encrypted. A test that uses SSE-C adds its keys."""

    @property
    def uploader_address(self) -> tuple[str, int]:
        """Return host and port of the uploader."""
        return self.stack.context.settings.host, self.stack.context.settings.uploader_port

    def begin_test(self) -> None:
        """Start every process that was there in the beginning and is not now; what is old is not this test's fault."""
        if self._running() != self._complete:
            self.stack.start()
        self._dead_letters = self.end_offsets(TOPIC_DEAD_LETTER)
        self._begun_at = datetime.now(UTC)

    def upload(self, file: CsvFile, dataset: str, chunk_type: str, chunk_size: int) -> dict[str, Any]:
        """Upload ``file`` and return the answer, which must be 202."""
        fields = {"dataset_name": dataset, "chunk_type": chunk_type, "chunk_size": str(chunk_size)}
        return accepted(self.post(fields, _blocks_of(file)))

    def post(self, fields: dict[str, str], content: Iterator[bytes]) -> httpx.Response:
        """Post an upload whose file is sent as ``content`` gives it, and return whatever comes back."""
        with httpx.Client(timeout=_UPLOAD_TIMEOUT_S, trust_env=False, verify=self._verify) as client:
            return client.post(
                f"{self.uploader_url}/upload/csv",
                content=_multipart(fields, content),
                headers={**self._key, "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"},
            )

    def create_key(self, *permissions: Permission) -> str:
        """Create a key with these permissions on all datasets, and return it."""
        admin = self.stack.context.secrets.admin_key.get_secret_value()
        wanted = {"name": " and ".join(permissions), "permissions": permissions, "datasets": ["*"]}
        headers = {"Authorization": f"Bearer {admin}"}
        address = f"{self.uploader_url}/keys"
        answer = httpx.post(address, json=wanted, headers=headers, timeout=30, trust_env=False, verify=self._verify)
        return str(answer.raise_for_status().json()["key"])

    def chunk_file(self, upload_id: str, chunk: int) -> Path:
        """Return the file of a chunk on the uploader's disk."""
        [filename] = [each["filename"] for each in self.status(upload_id)["chunks"] if each["chunk_id"] == chunk]
        return self._temp_dir / upload_id / str(filename)

    def run_csvpipe(self, *arguments: str) -> str:
        """Run the command line against this pipeline and return what it prints; it must exit with 0."""
        secrets = self.stack.context.secrets
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.stack.root),
            "CSVPIPE_URL": self.uploader_url,
            "CSVPIPE_KEY": self.client_key,
            "S3_ENDPOINT": self.s3.meta.endpoint_url,
            "AWS_ACCESS_KEY_ID": secrets.minio_root_user,
            "AWS_SECRET_ACCESS_KEY": secrets.minio_root_password.get_secret_value(),
        }
        if self.stack.context.ca_file:
            environment |= {
                "CSVPIPE_CA_FILE": str(self._uploader_ca_file),
                "S3_CA_FILE": str(self.stack.context.ca_file),
            }
        command = [str(Path(sys.executable).with_name("csvpipe")), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.describe()}"
        return done.stdout

    def get(self, path: str) -> Any:
        """Return the JSON under ``path`` at the uploader."""
        return self._get(self.uploader_url + path).raise_for_status().json()

    def status(self, upload_id: str) -> dict[str, Any]:
        """Return the status of an upload."""
        return dict(self.get(f"/uploads/{upload_id}/status"))

    def uploads_of(self, dataset: str) -> list[dict[str, Any]]:
        """Return the uploads of a dataset."""
        return list(self.get(f"/uploads?dataset={dataset}")["uploads"])

    def ready_status(self) -> int:
        """Return the status code of the uploader's ``/ready``."""
        return self._get(f"{self.uploader_url}/ready").status_code

    def wait(
        self,
        condition: Callable[[], bool],
        what: str,
        deadline_s: float,
        explain: Callable[[], str] = lambda: "",
    ) -> None:
        """Wait until ``condition`` is true; a service that does not answer, as the test has stopped it, is no end."""
        unanswered: list[str] = []

        def met() -> bool:
            try:
                return condition()
            except _UNANSWERED as error:
                unanswered[:] = [repr(error)]
                return False

        def describe() -> str:
            last = f"last service without an answer: {unanswered}"
            try:
                return f"{explain()}\n{last}\n{self.describe()}"
            except _UNANSWERED as error:
                return f"{error!r}\n{last}\n{self.describe()}"

        wait_until(met, what=what, deadline_s=deadline_s, explain=describe)

    def wait_for(self, upload_id: str, state: str, *, deadline_s: float = 120) -> None:
        """Wait until the upload is in ``state``."""
        self.wait(lambda: self.status(upload_id)["status"] == state, f"upload {upload_id} is {state}", deadline_s)

    def wait_for_landed_chunks(self, upload_id: str, count: int, *, deadline_s: float = 120) -> None:
        """Wait until at least ``count`` chunks of the upload have landed."""
        self.wait(
            lambda: self.status(upload_id)["chunk_counts"].get("landed", 0) >= count,
            f"{count} chunks of {upload_id} have landed",
            deadline_s,
        )

    def wait_until_landed(self, upload_id: str, *, deadline_s: float = 300) -> None:
        """Wait until all chunks have landed and the manifest lies in the bucket."""

        def landed() -> bool:
            status = self.status(upload_id)
            if status["status"] in _FINAL - {"landed"}:
                raise AssertionError(f"upload ended as {status['status']}: {json.dumps(status, indent=1)[:4000]}")
            return bool(status["status"] == "landed" and self._manifest(status["dataset_name"], upload_id))

        self.wait(landed, f"upload {upload_id} has landed", deadline_s)

    def check_landed_exactly_once(self, upload_id: str, dataset: str, file: CsvFile) -> None:
        """Check that the bucket holds the file's every row once and nothing else (see :func:`check_landing`)."""
        manifest = self._manifest(dataset, upload_id)
        assert manifest is not None, f"no manifest of {upload_id} in {dataset}"
        assert (manifest.upload_id, manifest.dataset_name) == (upload_id, dataset)
        check_landing(manifest, self.keys(dataset), self._read, file)

    def check_nothing_left_over(self, *, deadline_s: float = 120) -> None:
        """Wait until no service has anything under way, nor anything that nobody asks for any more."""
        self.wait(lambda: self.leftovers() == [], "nothing is left over", deadline_s, lambda: str(self.leftovers()))
        assert self.end_offsets(TOPIC_DEAD_LETTER) == self._dead_letters, "messages in the dead-letter topic"

    def leftovers(self) -> list[str]:
        """Name everything that is under way or orphaned; what an earlier test left unfinished does not count."""
        uploads = list(self._uploads())
        found = [f"half received: {path}" for path in self.half_received()]
        found += self._orphans({upload["upload_id"] for upload in uploads}, {each["dataset_name"] for each in uploads})
        if (lag := self.lag()) != 0:
            found.append(f"{lag} messages of {TOPIC_INGEST} not committed")
        if (queued := self.queued_in_nifi()) != 0:
            found.append(f"{queued} flow files queued in NiFi")
        for upload in uploads:
            if upload["status"] not in _FINAL and datetime.fromisoformat(upload["created_at"]) >= self._begun_at:
                found.append(f"upload {upload['upload_id']} is {upload['status']}")
        for run in self.airflow.runs(DAG_CHUNK_INGESTION, since=self._begun_at):
            if run["state"] != "success":
                found.append(f"run {run['dag_run_id']} is {run['state']}")
        for run in self.airflow.runs(DAG_LISTENER, since=self._begun_at):
            if run["state"] == "failed":
                found.append(f"listener's run {run['dag_run_id']} failed")
        return found

    def chunk_runs(self, upload_id: str) -> list[dict[str, Any]]:
        """Return Airflow's runs for an upload."""
        return [run for run in self.airflow.runs(DAG_CHUNK_INGESTION) if run["dag_run_id"].startswith(upload_id)]

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of one of Airflow's runs for an upload."""
        return self.airflow.task_instances(DAG_CHUNK_INGESTION, run_id)

    def half_received(self) -> list[str]:
        """Return the directories of what is being received."""
        return [str(path) for name in _RECEIVED_IN for path in self._temp_dir.glob(f"{name}/*")]

    def half_received_bytes(self) -> int:
        """Return how many bytes there are of resumable uploads that are not complete."""
        return sum(path.stat().st_size for path in self._temp_dir.glob(".resumable/*/data"))

    def queued_in_nifi(self) -> int:
        """Return the number of flow files in all of NiFi's queues.

        A flow file that a processor is done with may count twice, as itself and as what became of it.
        """
        return int(self._nifi_status()["flowFilesQueued"])

    def waiting_in_nifi(self) -> int:
        """Wait until no processor is at work, and return the number of flow files in all of NiFi's queues."""
        status = wait_until(
            lambda: status if not (status := self._nifi_status())["activeThreadCount"] else None,
            what="NiFi has no processor at work",
            deadline_s=120,
            poll_s=0.05,
        )
        return int(status["flowFilesQueued"])

    @contextmanager
    def nothing_stored(self) -> Iterator[None]:
        """Let NiFi reach no bucket until the block ends: chunks that are relayed wait in it."""
        [nobodys_port] = free_ports(1)
        deploy_flow(self.stack, {"s3.endpoint": f"http://127.0.0.1:{nobodys_port}"})
        try:
            yield
        finally:
            deploy_flow(self.stack, {})

    def _nifi_status(self) -> dict[str, Any]:
        address = f"{self._nifi_api}/flow/process-groups/root/status"
        answer = httpx.get(address, timeout=30, trust_env=False, verify=self._nifi_verify)
        status: dict[str, Any] = answer.raise_for_status().json()["processGroupStatus"]["aggregateSnapshot"]
        return status

    def nifi_failures(self, upload_id: str) -> list[str]:
        """Return the reason of each chunk of an upload that NiFi has given up, from its log."""
        lines = self._nifi_log.read_text(errors="replace").splitlines()
        found = [line for line in lines if f"chunk.upload_id={upload_id}" in line]
        return [reason for line in found for reason in re.findall(r"failure\.reason=(\w+)", line)]

    def keys(self, dataset: str | None = None) -> list[str]:
        """Return every key of a dataset, or of the bucket."""
        prefix = "" if dataset is None else f"{dataset}/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET_RAW, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def end_offsets(self, topic: str = TOPIC_INGEST) -> int:
        """Return the number of messages that were ever written to a topic."""
        with self._consumer("csvpipe-test-offsets") as consumer:
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            return sum(_end(consumer, topic, partition) for partition in partitions)

    def lag(self) -> int:
        """Return the number of messages that the listener has not committed."""
        with self._consumer(CONSUMER_GROUP) as consumer:
            partitions = consumer.list_topics(TOPIC_INGEST, timeout=20).topics[TOPIC_INGEST].partitions
            places = consumer.committed([TopicPartition(TOPIC_INGEST, p) for p in partitions], timeout=20)
            return sum(_end(consumer, TOPIC_INGEST, p.partition) - max(p.offset, 0) for p in places)

    def describe(self) -> str:
        """Return the end of every process's log, for the message of a test that fails."""
        states = [f"{p.name}: {'runs' if p.pid else 'DEAD'}" for p in self.stack.all_processes()]
        tails = [f"--- {p.name}\n{p.log_tail(25)}" for p in self.stack.all_processes()]
        return "\n".join([", ".join(states), *tails])

    def _uploads(self) -> Iterator[dict[str, Any]]:
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(f"/uploads?limit=200{cursor and '&cursor=' + quote(cursor, safe='')}")
            yield from page["uploads"]
            cursor = page["next_cursor"]

    def _orphans(self, upload_ids: set[str], datasets: set[str]) -> list[str]:
        """Name what lies on disk or in the bucket and belongs to no upload.

        Unfinished multipart uploads are looked for on MinIO's disk: its API lists those of one exact key only.
        """
        directories = [path for path in self._temp_dir.iterdir() if path.is_dir() and path.name not in _RECEIVED_IN]
        found = [f"directory of no upload: {path}" for path in directories if path.name not in upload_ids]
        found += [f"object of no dataset: {key}" for key in self.keys() if key.partition("/")[0] not in datasets]
        multipart = self._minio_dir / ".minio.sys/multipart"
        unfinished = [path for path in entries(multipart) if path.parent.parent == multipart]
        return found + [f"unfinished multipart upload: {path}" for path in unfinished]

    def _running(self) -> set[str]:
        return {process.name for process in self.stack.all_processes() if process.pid}

    def _read(self, key: str) -> bytes:
        *others, last = self.encryptions
        for encryption in others:
            try:
                return self._read_with(encryption, key)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _WRONG_KEY:
                    raise
        return self._read_with(last, key)

    def _read_with(self, encryption: Encryption, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET_RAW, Key=key, **encryption.read_arguments())["Body"].read()

    def _manifest(self, dataset: str, upload_id: str) -> Manifest | None:
        try:
            return Manifest.model_validate_json(self._read(manifest_key(dataset, upload_id)))
        except self.s3.exceptions.NoSuchKey:
            return None

    def _consumer(self, group: str) -> Consumer:
        client = client_properties(self.stack.context, ADMIN)
        return Consumer({**client, "group.id": group, "enable.auto.commit": False})

    def _get(self, url: str) -> httpx.Response:
        return httpx.get(url, headers=self._key, timeout=30, trust_env=False, verify=self._verify)


def accepted(response: httpx.Response) -> dict[str, Any]:
    """Return the answer to an upload, which must be 202."""
    assert response.status_code == 202, response.text
    return dict(response.json())


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    _, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
    return int(high)


def _blocks_of(file: CsvFile) -> Iterator[bytes]:
    with file.path.open("rb") as source:
        while block := source.read(1024 * 1024):
            yield block


def _multipart(fields: dict[str, str], content: Iterator[bytes]) -> Iterator[bytes]:
    for name, value in fields.items():
        yield f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="data.csv"\r\n'
    yield (head + "Content-Type: text/csv\r\n\r\n").encode()
    yield from content
    yield f"\r\n--{_BOUNDARY}--\r\n".encode()
