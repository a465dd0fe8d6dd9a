"""How Kafka is reached, and what a person must set right where it does not let us in. The signer of IAM is a fake."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from confluent_kafka import KafkaError, KafkaException

from contracts.errors import NotAllowedError, SettingsError, TemporaryFailureError
from sequencer.kafka.client import client_config, open_client
from sequencer.kafka.errors import refusal
from sequencer.kafka.partition_reader import PartitionReader
from sequencer.model.partition import PartitionRef
from sequencer.settings import JobSettings, load_settings

AUTHENTICATION, SSL = KafkaError._AUTHENTICATION, KafkaError._SSL


def settings(**given: object) -> JobSettings:
    return JobSettings(_env_file=None, kafka_bootstrap_servers="broker:9096", job_id="j", **given)  # type: ignore[arg-type]


@pytest.fixture
def fake_signer(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a fake in the place of AWS's signer; give the regions that it is asked for, "none" being one without role."""
    asked: list[str] = []

    class FakeProvider:
        @staticmethod
        def generate_auth_token(region: str) -> tuple[str, int]:
            asked.append(region)
            if region == "none":
                raise ValueError("AWS Credentials can not be empty")
            return f"token of a fake, number {len(asked)}", 1_800_000_000_500

    module = ModuleType("aws_msk_iam_sasl_signer")
    vars(module)["MSKAuthTokenProvider"] = FakeProvider
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


@pytest.mark.parametrize(("security", "protocol"), [("plaintext", "PLAINTEXT"), ("tls", "SSL")])
def test_security_without_a_user_is_a_protocol_and_nothing_more(security: str, protocol: str) -> None:
    config = client_config(settings(kafka_security=security))
    assert (config["security.protocol"], config["bootstrap.servers"]) == (protocol, "broker:9096")
    assert not [name for name in config if name.startswith(("sasl.", "ssl.", "oauth"))]


def test_scram_has_user_and_password_which_the_settings_do_not_show(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    given = settings(
        kafka_security="scram", kafka_username="u", kafka_password="p4ss", kafka_ca_file=str(tmp_path / "ca.pem")
    )
    config = client_config(given)
    assert (config["security.protocol"], config["sasl.mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (config["sasl.username"], config["sasl.password"]) == ("u", "p4ss")
    assert config["ssl.ca.location"] == str(tmp_path / "ca.pem")
    assert "p4ss" not in repr(given)


def test_scram_without_a_user_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="KAFKA_USERNAME"):
        load_settings(kafka_security="scram", kafka_username="")


def test_iam_gives_the_client_a_new_token_of_the_fake_signer_at_each_call(fake_signer: list[str]) -> None:
    config = client_config(settings(kafka_security="iam", aws_region="eu-central-1"))
    assert (config["security.protocol"], config["sasl.mechanism"]) == ("SASL_SSL", "OAUTHBEARER")
    before = len(fake_signer)
    assert config["oauth_cb"]("") == (f"token of a fake, number {before + 1}", 1_800_000_000.5)
    assert set(fake_signer) == {"eu-central-1"}


def test_machine_without_a_role_is_reported_before_a_client_waits(fake_signer: list[str]) -> None:
    given = settings(kafka_security="iam", aws_region="none")
    with pytest.raises(NotAllowedError, match=r"Credentials can not be empty.*AWS_REGION .* role"):
        client_config(given)
    assert fake_signer == ["none"]


def test_more_options_win() -> None:
    given = settings(kafka_options={"security.protocol": "SASL_PLAINTEXT", "socket.keepalive.enable": "true"})
    config = client_config(given)
    assert (config["security.protocol"], config["socket.keepalive.enable"]) == ("SASL_PLAINTEXT", "true")


def test_file_of_certificates_that_is_not_there_is_named(tmp_path: Path) -> None:
    given = settings(kafka_security="tls", kafka_ca_file=str(tmp_path / "no.pem"))
    with pytest.raises(SettingsError, match=r"KAFKA_CA_FILE: .*no\.pem"):
        client_config(given)


def test_file_without_a_certificate_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", encoding="ascii")
    config = client_config(settings(kafka_security="tls", kafka_ca_file=str(tmp_path / "ca.pem")))
    with pytest.raises(SettingsError, match=r"KAFKA_CA_FILE.*no certificate"):
        PartitionReader(config, PartitionRef("t"))


def test_option_that_there_is_not_is_a_wrong_setting() -> None:
    config = client_config(settings(kafka_options={"no.such.option": "1"}))
    with pytest.raises(SettingsError, match=r"no\.such\.option.*KAFKA_OPTIONS"):
        PartitionReader(config, PartitionRef("t"))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (AUTHENTICATION, "SASL authentication error: invalid credentials", NotAllowedError),
        (KafkaError.SASL_AUTHENTICATION_FAILED, "Broker: SASL Authentication failed", NotAllowedError),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "Broker: Topic authorization failed", NotAllowedError),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "Broker: refused", NotAllowedError),
        (SSL, "SSL handshake failed: certificate verify failed: unable to get local issuer", SettingsError),
    ],
)
def test_refusal_is_for_a_person_to_set_right(code: int, text: str, expected: type[Exception]) -> None:
    found = refusal(KafkaError(code, text))
    assert isinstance(found, expected)
    assert text in str(found)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (KafkaError._TRANSPORT, "Connect to ipv4#127.0.0.1:1 failed: Connection refused"),
        (KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"),
        (AUTHENTICATION, "SASL authentication error: SaslAuthenticateRequest failed: Local: Broker transport failure"),
        (AUTHENTICATION, "SASL SCRAM-SHA-512 mechanism handshake failed: Local: Timed out"),
        (SSL, "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?"),
    ],
)
def test_broker_that_stops_during_a_handshake_is_not_a_refusal(code: int, text: str) -> None:
    assert refusal(KafkaError(code, text)) is None


@pytest.mark.parametrize(
    "failure",
    [
        SystemError("<class 'cimpl.Consumer'> returned NULL without setting an exception"),
        KafkaException(KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED, "OAuth token not set within 10 seconds")),
    ],
)
def test_token_that_does_not_come_while_a_job_runs_is_an_outage(failure: Exception) -> None:
    def make() -> None:
        raise failure

    with pytest.raises(TemporaryFailureError, match="Kafka client"):
        open_client(make)
