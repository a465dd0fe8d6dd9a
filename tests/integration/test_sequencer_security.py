"""A job on a real broker that is come to by TLS, SASL/SCRAM or tokens: what it may not do, it says at once.

``RETRIES`` is so high that what is tried again would not end within the test's time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.kafka.secure import FAKE_SIGNER, LISTENERS, PASSWORD, SecureBroker
from tests.support.network.certificates import CertificateAuthority
from tests.support.sequencer.rig import Ended, SequencerRig

ROWS = 1000
MODES = ("exclusive", "transactional")
WAYS: dict[str, dict[str, str]] = {
    "tls": {},
    "scram": {"KAFKA_USERNAME": "writer", "KAFKA_PASSWORD": PASSWORD},
    "iam": {"PYTHONPATH": str(FAKE_SIGNER)},
}
MakeRig = Callable[..., SequencerRig]
COMMANDS: dict[str, Callable[[SequencerRig], Ended]] = {
    "sequence": lambda rig: rig.run(),
    "sequence, making the topic": lambda rig: rig.run("--create-topic"),
    "sequence, transactional": lambda rig: rig.run("--mode", "transactional"),
    "verify-topic": lambda rig: rig.verify(),
}
each_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())


@pytest.fixture
def rig_by(secure_broker: SecureBroker, broker_authority: CertificateAuthority, tmp_path: Path) -> MakeRig:
    """Give what makes a rig that comes by ``tls``, ``scram`` or ``iam`` (by a fake signer), but for what is given."""

    def make(way: str, **given: str) -> SequencerRig:
        rig = SequencerRig(secure_broker, tmp_path)
        rig.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": secure_broker.listener(LISTENERS[way]),
            "KAFKA_SECURITY": way,
            "KAFKA_CA_FILE": broker_authority.write_certificate(tmp_path / "ca.pem"),
            "RETRIES": "1000",
            **WAYS[way],
            **given,
        }
        rig.write_source(ROWS)
        return rig

    return make


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", ["tls", "scram", pytest.param("iam", id="tokens of a fake signer")])
def test_every_row_arrives_and_is_verified(rig_by: MakeRig, way: str, mode: str) -> None:
    rig = rig_by(way)
    ended = rig.run("--mode", mode)
    assert ended.code == 0, str(ended)
    rig.assert_proven(ROWS)


@each_command
def test_wrong_password_ends_it_and_the_settings_are_named(
    rig_by: MakeRig, command: Callable[[SequencerRig], Ended]
) -> None:
    ended = command(rig_by("scram", KAFKA_PASSWORD="wrong"))
    assert ended.code == 77, str(ended)
    assert "KAFKA_USERNAME and KAFKA_PASSWORD" in ended.err


@each_command
def test_missing_permission_on_the_topic_is_not_reported_as_a_missing_topic(
    rig_by: MakeRig, command: Callable[[SequencerRig], Ended]
) -> None:
    ended = command(rig_by("scram", KAFKA_USERNAME="stranger"))
    assert ended.code == 77, str(ended)
    assert "Topic authorization failed" in ended.err
    assert "ACLs" in ended.err


def test_user_without_permissions_on_topic_options_sends_unfenced_with_a_warning(
    rig_by: MakeRig,
) -> None:
    rig = rig_by("scram", KAFKA_USERNAME="without-options")
    ended = rig.run()
    assert ended.code == 0, str(ended)
    assert f"options of {rig.topic}" in ended.err
    assert "accepts records of any age" in ended.err
    rig.assert_proven(ROWS)


def test_user_without_rights_on_the_options_of_a_topic_cannot_require_a_durable_one(rig_by: MakeRig) -> None:
    ended = rig_by("scram", KAFKA_USERNAME="without-options", REQUIRE_DURABLE_TOPIC="true").run()
    assert ended.code == 78, str(ended)


def test_user_without_permission_for_transactions_is_rejected(rig_by: MakeRig) -> None:
    ended = rig_by("scram", KAFKA_USERNAME="without-transactions").run("--mode", "transactional")
    assert ended.code == 77, str(ended)
    assert "Transactional Id authorization failed" in ended.err


@pytest.mark.parametrize("given", [False, True], ids=["the system's", "another authority's"])
@each_command
def test_untrusted_certificate_fails_the_job_and_names_the_setting(
    rig_by: MakeRig, tmp_path: Path, command: Callable[[SequencerRig], Ended], given: bool
) -> None:
    other = CertificateAuthority("another").write_certificate(tmp_path / "other.pem") if given else ""
    ended = command(rig_by("tls", KAFKA_CA_FILE=other))
    assert ended.code == 78, str(ended)
    assert "KAFKA_CA_FILE: the broker's certificate is not trusted" in ended.err


@pytest.mark.parametrize("listener", ["EXPIRED", "OTHER_NAME"])
def test_certificate_that_must_be_refused_fails_the_job_and_names_the_settings(
    rig_by: MakeRig, secure_broker: SecureBroker, listener: str
) -> None:
    ended = rig_by("tls", KAFKA_BOOTSTRAP_SERVERS=secure_broker.listener(listener)).run()
    assert ended.code == 78, str(ended)
    assert "KAFKA_CA_FILE" in ended.err
    assert "KAFKA_BOOTSTRAP_SERVERS: it has expired, or is for another name" in ended.err


@each_command
def test_listener_without_tls_is_unavailable_with_the_reason(
    rig_by: MakeRig, secure_broker: SecureBroker, command: Callable[[SequencerRig], Ended]
) -> None:
    """It may be a broker on its way down, so it is tried again."""
    ended = command(rig_by("tls", KAFKA_BOOTSTRAP_SERVERS=secure_broker.bootstrap, RETRIES="0"))
    assert ended.code == 75, str(ended)
    assert "SSL" in ended.err.rpartition("csvpipe: ")[2]
