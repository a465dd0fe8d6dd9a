"""Secrets replaced on a running secure stack while uploads go on, by the procedures in docs/security.md."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from contracts.message import parse_message
from contracts.names import DAG_CHUNK_INGESTION, TOPIC_DEAD_LETTER, TOPIC_INGEST
from stack.airflow_connections import airflow_connections
from stack.certificates import Certificates
from stack.components.nifi import NiFi
from stack.kafka_users import ADMIN, client_properties, grant_rights_of
from stack.private_file import write_private
from stack.tls import tls_context
from stack.uploader_keys import UploaderKeys
from tests.support.network.served_certificate import wait_until_served
from tests.support.pipeline.pipeline import Pipeline
from tests.support.pipeline.trickle import trickle_of_uploads
from tests.support.pipeline.uploader_replicas import UploaderReplicas, running_replicated_stack
from tests.support.uploader.postgres import PostgresServer, running_postgres
from tests.support.waiting import wait_until

DATABASE = "csvpipe_uploader"
ROLE = "uploader_1"
"""Owns the tables, as it created them."""
KAFKA_CALL_S = 60


@dataclass(frozen=True)
class Site:
    """A secure stack, as its operator sees it."""

    replicas: UploaderReplicas
    pipeline: Pipeline
    postgres: PostgresServer

    def set_connection(self, connection_id: str, *, extra: dict[str, Any], **fields: Any) -> None:
        """Change a connection of Airflow: what differs from the stack's own."""
        connection = airflow_connections(self.pipeline.stack.context)[connection_id]
        changed = {**connection, **fields, "extra": {**connection["extra"], **extra}}
        self.pipeline.airflow.set_connection(connection_id, changed)

    def set_relay_key(self, key: str) -> None:
        """Give Airflow a key for the uploader."""
        self.set_connection("csv_uploader", password=key, extra={"ca_file": str(self.replicas.ca_file)})

    def wait_for_earlier_runs(self) -> None:
        """Wait until all runs that have begun have ended; others may begin meanwhile."""
        begun = {run["dag_run_id"] for run in self.pipeline.airflow.runs(DAG_CHUNK_INGESTION)}

        def ended() -> bool:
            runs = self.pipeline.airflow.runs(DAG_CHUNK_INGESTION)
            return begun <= {run["dag_run_id"] for run in runs if run["state"] == "success"}

        self.pipeline.wait(ended, "earlier runs have ended", 180)

    def statuses(self, path: str, key: str) -> set[int]:
        """Return how the replicas answer a GET with a key."""
        headers = {"Authorization": f"Bearer {key}"}
        found = [self._get(url + path, headers) for url in self.replicas.urls]
        return {response.status_code for response in found}

    def addresses(self, upload_id: str) -> list[str]:
        """Return the addresses of an upload's chunks in the messages of the topic."""
        consumer = Consumer({**client_properties(self.pipeline.stack.context, ADMIN), "group.id": "test-addresses"})
        found = []
        try:
            for partition in consumer.list_topics(TOPIC_INGEST, timeout=20).topics[TOPIC_INGEST].partitions:
                place = TopicPartition(TOPIC_INGEST, partition, 0)
                _, end = consumer.get_watermark_offsets(place, timeout=20)
                consumer.assign([place])
                for _ in range(end):
                    record = consumer.poll(60)
                    assert record is not None
                    assert record.error() is None, record.error()
                    message = parse_message(record.value() or b"")
                    if message.upload_id == upload_id:
                        found.append(str(message.api_endpoint))
        finally:
            consumer.close()
        return found

    def download(self, address: str) -> int:
        """Fetch a signed address as NiFi does, and return the status."""
        return self._get(address, {}).status_code

    def _get(self, address: str, headers: dict[str, str]) -> httpx.Response:
        verify = tls_context(self.replicas.ca_file)
        return httpx.get(address, headers=headers, verify=verify, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a secure stack with two uploaders on a PostgreSQL."""
    with running_postgres() as postgres:
        postgres.administer("postgres", f"CREATE ROLE {ROLE} LOGIN", f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        url = postgres.url(DATABASE, role=ROLE)
        with running_replicated_stack(tmp_path_factory.mktemp("rotation"), database_url=url) as replicas:
            found = Site(replicas, Pipeline(replicas.stack, uploader_ca_file=replicas.ca_file), postgres)
            found.set_relay_key(replicas.stack.context.secrets.relay_key.get_secret_value())
            found.set_connection("kafka_csv_ingestion", extra={})
            yield found
            assert found.pipeline.end_offsets(TOPIC_DEAD_LETTER) == 0, "messages in the dead-letter topic"


def test_admin_and_relay_keys_are_replaced_while_uploads_land(site: Site, tmp_path: Path) -> None:
    files = UploaderKeys(site.pipeline.stack.context)
    old = {name: files.file(name).read_text().strip() for name in ("admin", "relay")}
    new = {name: site.pipeline.run_csvpipe("keys", "generate").strip() for name in old}
    with trickle_of_uploads(site.pipeline, tmp_path, name="keys") as uploads:
        status = f"/uploads/{uploads.next_upload().upload_id}/status"
        for name, key in old.items():
            write_private(files.file(name), f"{key},{new[name]}\n")
        site.replicas.restart_one_by_one()
        for keys in (old, new):
            assert (site.statuses("/keys", keys["admin"]), site.statuses(status, keys["relay"])) == ({200}, {200})
        site.set_relay_key(new["relay"])
        uploads.land_next_upload()
        site.wait_for_earlier_runs()
        for name, key in new.items():
            write_private(files.file(name), f"{key}\n")
        site.replicas.restart_one_by_one()
        assert (site.statuses("/keys", old["admin"]), site.statuses(status, old["relay"])) == ({401}, {401})
        assert (site.statuses("/keys", new["admin"]), site.statuses(status, new["relay"])) == ({200}, {200})
        uploads.next_upload()


def test_signing_keys_are_replaced_while_chunks_are_on_their_way(site: Site, tmp_path: Path) -> None:
    """The first key is the one in the database, from before the setting was used."""
    [(old,)] = site.postgres.administer(DATABASE, "SELECT key_id || ':' || secret FROM signing_keys")
    key_id, new = old.partition(":")[0], f"new:{secrets.token_urlsafe(32)}"
    with trickle_of_uploads(site.pipeline, tmp_path, name="signatures") as uploads:
        site.pipeline.airflow.set_paused(DAG_CHUNK_INGESTION, paused=True)
        waiting = uploads.next_upload()
        site.pipeline.wait_for(waiting.upload_id, "announced")
        address = site.addresses(waiting.upload_id)[0]
        assert f".{key_id}." in address
        for keys in (f"{old},{new}", f"{new},{old}"):
            site.replicas.environment["DOWNLOAD_SIGNING_KEYS"] = keys
            site.replicas.restart_one_by_one()
            assert site.download(address) == 200
        newer = uploads.next_upload()
        site.pipeline.wait_for(newer.upload_id, "announced")
        assert all(".new." in each for each in site.addresses(newer.upload_id))
        site.pipeline.airflow.set_paused(DAG_CHUNK_INGESTION, paused=False)
        for upload in (waiting, newer):
            site.pipeline.wait_until_landed(upload.upload_id)
        site.replicas.environment["DOWNLOAD_SIGNING_KEYS"] = new
        site.replicas.restart_one_by_one()
        assert site.download(address) == 403
        uploads.next_upload()


def test_users_of_kafka_are_replaced_while_uploads_land(site: Site, tmp_path: Path) -> None:
    admin = AdminClient({**client_properties(site.pipeline.stack.context, ADMIN)})
    passwords = {"uploader": secrets.token_urlsafe(24), "airflow": secrets.token_urlsafe(24)}
    with trickle_of_uploads(site.pipeline, tmp_path, name="kafka") as uploads:
        for user, password in passwords.items():
            _create_user(admin, f"{user}-2", password)
            grant_rights_of(admin, user, to=f"{user}-2")
        new = {"KAFKA_USERNAME": "uploader-2", "KAFKA_PASSWORD": passwords["uploader"]}
        site.replicas.environment |= new
        site.replicas.restart_one_by_one()
        login = {"sasl.username": "airflow-2", "sasl.password": passwords["airflow"]}
        site.set_connection("kafka_csv_ingestion", extra=login)
        uploads.land_next_upload()
        for user in passwords:
            _delete_user(admin, user)
        uploads.next_upload()


def test_role_of_the_database_is_replaced_while_uploads_land(site: Site, tmp_path: Path) -> None:
    with trickle_of_uploads(site.pipeline, tmp_path, name="roles") as uploads:
        site.postgres.administer(
            DATABASE, f"CREATE ROLE uploader_2 LOGIN IN ROLE {ROLE}", f"ALTER ROLE uploader_2 SET role = '{ROLE}'"
        )
        site.replicas.environment["DATABASE_URL"] = site.postgres.url(DATABASE, role="uploader_2")
        site.replicas.restart_one_by_one()
        sessions = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND usename ~ 'up'"
        wait_until(
            lambda: site.postgres.administer(DATABASE, sessions) == [("uploader_2",)],
            what="the sessions of the former role have ended",
            deadline_s=60,
        )
        site.postgres.administer(DATABASE, f"ALTER ROLE {ROLE} NOLOGIN PASSWORD NULL")
        uploads.next_upload()


def test_authority_of_the_uploader_is_replaced_while_uploads_are_accepted(site: Site, tmp_path: Path) -> None:
    """NiFi reads its trust store at the start only: chunks wait while it restarts."""
    context = site.pipeline.stack.context
    previous = Pipeline(site.pipeline.stack)
    authority = Certificates(tmp_path / "authority", host="127.0.0.1")
    authority.renew()
    files = authority.files("uploader")
    both = context.certificates.ca_file.read_bytes() + authority.ca_file.read_bytes()
    bundle = tmp_path / "clients-ca.pem"
    bundle.write_bytes(both)
    client = Pipeline(site.pipeline.stack, uploader_ca_file=bundle)
    with trickle_of_uploads(client, tmp_path, name="authority") as uploads:
        write_private(site.replicas.ca_file, both)
        _trust_in_nifi(site, [context.certificates.ca_file, authority.ca_file])
        for source, target in zip((files.key, files.certificate), reversed(site.replicas.tls_files), strict=True):
            write_private(target, source.read_bytes())
        for url in site.replicas.urls:
            wait_until_served(int(url.rpartition(":")[2]), files.certificate)
        uploads.land_next_upload()
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            previous.get("/uploads")
        write_private(bundle, authority.ca_file.read_bytes())
        write_private(site.replicas.ca_file, authority.ca_file.read_bytes())
        landed = uploads.land_next_upload()
        assert "VERIFIED" in client.run_csvpipe("verify", landed.upload_id)


def _create_user(admin: AdminClient, user: str, password: str) -> None:
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192)
    wanted = UserScramCredentialUpsertion(user, credential, password.encode())
    for done in admin.alter_user_scram_credentials([wanted]).values():
        done.result(KAFKA_CALL_S)


def _delete_user(admin: AdminClient, user: str) -> None:
    unwanted = UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512)
    for done in admin.alter_user_scram_credentials([unwanted]).values():
        done.result(KAFKA_CALL_S)
    anything: Any = None  # the filter's types leave it out
    rights = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        f"User:{user}",
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    for deleted in admin.delete_acls([rights]).values():
        assert deleted.result(KAFKA_CALL_S)


def _trust_in_nifi(site: Site, authorities: list[Path]) -> None:
    """Replace NiFi's trust store for its clients, and restart NiFi, which reads it only then."""
    context = site.pipeline.stack.context
    entries = [
        pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(path.read_bytes()), f"authority-{number}".encode())
        for number, path in enumerate(authorities)
    ]
    [spec] = NiFi(context).processes()
    options = dict(each.removeprefix("-D").split("=", 1) for each in spec.argv if each.startswith("-Djavax.net.ssl."))
    password = BestAvailableEncryption(options["javax.net.ssl.trustStorePassword"].encode())
    store = Path(options["javax.net.ssl.trustStore"])
    write_private(store, pkcs12.serialize_java_truststore(entries, password))
    process = site.pipeline.stack.process(spec.name)
    process.stop()
    process.start(spec)
    process.wait_ready(spec)
