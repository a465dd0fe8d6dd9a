"""The dialect of a job on a real broker: recorded when it sends, used by the verification, kept when it resumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sequencer.model.checkpoint import DialectRun
from tests.support.sequencer.rig import SequencerRig
from tests.support.services import KafkaBroker


@pytest.fixture
def rig(kafka_broker: KafkaBroker, tmp_path: Path) -> SequencerRig:
    return SequencerRig(kafka_broker, tmp_path)


def test_verification_reads_the_source_as_the_job_recorded(rig: SequencerRig) -> None:
    """The file is sent with commas as declared; a verification that detects the delimiter would use semicolons."""
    Path(rig.source).write_text("a, x;b\n1, y;2\n3, z;4\n", encoding="utf-8")
    done = rig.run("--delimiter", "comma")
    assert done.code == 0, str(done)
    noted = rig.checkpoint()
    assert noted is not None
    assert noted.dialects == (DialectRun(1, ",", "utf-8"),)
    assert noted.header == ("a", " x;b")

    verified = rig.verify("--source", rig.source, "--job-id", rig.job_id)
    assert verified.code == 0, str(verified)
    assert "source read with delimiter ',', encoding utf-8: as recorded by job job" in verified.out

    detected = rig.verify("--source", rig.source)
    assert detected.code == 1, str(detected)
    assert "delimiter ';', encoding utf-8: detected in the source, as no --job-id was given" in detected.out

    other = rig.run("--delimiter", "semicolon")
    assert other.code == 2, str(other)
    assert "DELIMITER, ENCODING: job job was started with delimiter ','" in other.err


def test_east_asian_source_with_a_sep_line_is_sent_and_verified(rig: SequencerRig) -> None:
    Path(rig.source).write_bytes('sep=|\r\n名|ソ\r\n表|"能|\r\n"\r\nポ|ソ"\r\n'.encode("cp932"))
    done = rig.run("--encoding", "ms932")
    assert done.code == 0, str(done)
    verified = rig.verify("--source", rig.source, "--job-id", rig.job_id)
    assert verified.code == 0, str(verified)
    assert "2 records" in verified.out
    assert "delimiter '|', encoding cp932: as recorded by job job" in verified.out
