"""Configuration of a secure stack: addresses, and where its secrets are, without starting anything."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from stack.airflow_connections import airflow_connections
from stack.component import StackContext
from stack.kafka_users import USERS, client_properties
from stack.local import LocalStack
from stack.prometheus_config import local_config
from stack.settings import StackSettings


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStack:
    """Return a secure stack with certificates, and with a fake JDK."""
    for component in ("kafka", "nifi"):
        monkeypatch.setattr(f"stack.components.{component}.provide_java", lambda _: Path("/jdk"))
    found = LocalStack(root=tmp_path, settings=StackSettings.on_free_ports(_env_file=None, secure=True))
    found.context.certificates.renew()
    return found


@pytest.fixture
def context(stack: LocalStack) -> StackContext:
    return stack.context


def test_no_command_line_holds_a_secret(stack: LocalStack) -> None:
    secrets = {value.get_secret_value() for _, value in stack.context.secrets if isinstance(value, SecretStr)}
    lines = [word for each in stack.components.values() for spec in each.processes() for word in spec.argv]
    assert len(lines) > 50
    assert [word for word in lines if any(secret in word for secret in secrets)] == []


@pytest.mark.parametrize("name", ["minio", "nifi", "monitoring"])
def test_written_configuration_is_private(stack: LocalStack, name: str) -> None:
    stack.components[name].configure()
    files = [path for path in stack.context.config_dir(name).rglob("*") if path.is_file()]
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_all_addresses_are_encrypted(stack: LocalStack) -> None:
    addresses = [
        address
        for name, component in stack.components.items()
        for address in component.addresses().values()
        if name != "monitoring"
    ]
    assert len(addresses) > 5
    assert [each for each in addresses if not each.startswith("https://") and "SASL_SSL" not in each] == []


def test_each_user_of_kafka_has_its_own_password(context: StackContext) -> None:
    assert len({client_properties(context, user)["sasl.password"] for user in USERS}) == len(USERS)


def test_airflow_connects_with_certificates(context: StackContext) -> None:
    connections = airflow_connections(context)
    assert connections["kafka_csv_ingestion"]["extra"]["ssl.ca.location"] == str(context.ca_file)
    assert connections["nifi_rest_api"]["extra"]["cert"] == str(context.certificates.files("airflow").certificate)
    assert connections["nifi_rest_api"]["extra"]["listen_url"].startswith("https://")
    assert connections["s3_raw"]["extra"]["verify"] == str(context.ca_file)


def test_prometheus_scrapes_with_certificates(context: StackContext) -> None:
    jobs: dict[str, Any] = {each["job_name"]: each for each in yaml.safe_load(local_config(context))["scrape_configs"]}
    assert {name for name, job in jobs.items() if job.get("scheme") == "https"} == {"uploader", "nifi", "minio"}
    assert jobs["nifi"]["tls_config"]["cert_file"] == str(context.certificates.files("monitoring").certificate)
    assert "scheme" not in jobs["kafka"]
