"""Whole jobs with the settings and the permissions that Terraform plans, on a real broker and on moto with a fake IAM.

Option 1 stands for all: other tests compare settings and permissions of the three.
The broker enforces the planned ``kafka-cluster`` permissions as its own ACLs; the fake refuses everything that
the rest of the planned policy does not allow, by action, resource and condition, as AWS does.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its own examples do so

from sequencer.model.checkpoint import JobStatus
from tests.support.kafka.secure import FAKE_SIGNER, SecureBroker
from tests.support.network.certificates import CertificateAuthority
from tests.support.sequencer.rig import SHORT, Ended, RunningCommand, csvpipe_argv
from tests.support.terraform.acls import allow_on_broker
from tests.support.terraform.fake_aws import FakeAws, fake_aws
from tests.support.terraform.fake_iam import FakeIam
from tests.support.terraform.plan import Plan
from tests.support.terraform.program import OPTIONS

CLUSTER = "arn:aws:kafka:us-east-1:123456789012:cluster/example/01234567-89ab-cdef-0123-456789abcdef-1"
KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/of-the-source"
PLANNED_TOPIC = "topic-of-the-plan"
"""So that one plan serves many tests, each with a topic of its own."""
ROWS, PARTITIONS = 300, 3


class PlannedJob:
    """A job as an option plans it: its settings, its table, its permissions, a topic and a source in S3.

    Args:
        plan: of the option.
        broker: where the topic is made.
        aws: S3, DynamoDB and CloudWatch, with the table and the source's bucket.
        certificate: of whoever has signed the broker's.
        directory: for logs.
    """

    def __init__(self, plan: Plan, broker: SecureBroker, aws: FakeAws, *, certificate: str, directory: Path) -> None:
        self.plan = plan
        self.aws = aws
        self._broker = broker
        self._directory = directory
        planned = plan.environment()
        self.job_id, self.topic, self.table = (planned[n] for n in ("JOB_ID", "KAFKA_TOPIC", "CHECKPOINT_TABLE"))
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(directory),
            "PYTHONPATH": str(FAKE_SIGNER),
            "FAKE_IAM_USER": self.topic,
            **planned,
            **aws.environment(),
            **SHORT,
            "KAFKA_BOOTSTRAP_SERVERS": broker.listener("OAUTH"),
            "REQUIRE_DURABLE_TOPIC": "false",  # there is one broker
            "KAFKA_CA_FILE": certificate,
        }

    def grant_permissions(self) -> None:
        """Let the broker enforce what the plan allows on Kafka."""
        statements = self.plan.statements("job").values()
        allow_on_broker(self._broker.bootstrap, self.topic, statements, cluster_arn=CLUSTER)

    def make_topics(self, partitions: int) -> None:
        admin = AdminClient({"bootstrap.servers": self._broker.bootstrap})
        topics = [NewTopic(self.topic, partitions, 1), NewTopic(f"{self.topic}-dlq", 1, 1)]
        for made in admin.create_topics(topics).values():
            made.result(30)

    def put_source(self, key: str, *, first: int = 1, rows: int = ROWS, bad: int = 0, **given: str) -> None:
        """Write rows ``first`` and following, of which ``bad`` lacks a field."""
        lines = (f"{row}\n" if row == bad else f"{row},name {row}\n" for row in range(first, first + rows))
        body = ("id,name\n" + "".join(lines)).encode()
        self.aws.s3.put_object(Bucket="my-data", Key=key, Body=body, **given)  # type: ignore[arg-type]  # headers of KMS

    def run(self, **given: str) -> Ended:
        """Run the command of the container to its end, with some settings changed."""
        return self._run("sequence", given)

    def verify(self, *options: str) -> Ended:
        """Run ``verify-topic`` with the same settings and permissions."""
        return self._run("verify-topic", {}, *options)

    def assert_proven(self, rows: int, *options: str) -> None:
        proof = self.verify("--expect-rows", str(rows), *options)
        assert proof.code == 0, str(proof)

    def status(self, job_id: str = "") -> JobStatus | None:
        checkpoint = self.aws.checkpoints(self.table).load(job_id or self.job_id)
        return checkpoint.status if checkpoint else None

    def metrics(self) -> set[str]:
        """Return which jobs CloudWatch has metrics of."""
        listed = self.aws.cloudwatch.list_metrics(Namespace=self.environment["CLOUDWATCH_NAMESPACE"])["Metrics"]
        return {dimension["Value"] for metric in listed for dimension in metric["Dimensions"]}

    def _run(self, command: str, given: dict[str, str], *options: str) -> Ended:
        environment = {**self.environment, **given}
        argv = csvpipe_argv(command, *options)
        with RunningCommand(argv, environment=environment, directory=self._directory) as process:
            out, _ = process.communicate(timeout=180)
            return Ended(process.returncode, out, process.said())


MakeJob = Callable[..., PlannedJob]


@pytest.fixture
def job_of(
    planned: Callable[..., Plan], secure_broker: SecureBroker, broker_authority: CertificateAuthority, tmp_path: Path
) -> Iterator[MakeJob]:
    """Give what makes a job of an option, with some variables of Terraform changed, ``without`` one statement."""
    with ExitStack() as stack:

        def make(option_name: str, *, partitions: int = 1, without: str = "", **variables: str) -> PlannedJob:
            plan = planned(option_name, kafka_topic=PLANNED_TOPIC, **variables)
            plan = plan.renamed(PLANNED_TOPIC, f"rows-{uuid.uuid4().hex[:12]}")
            statements = plan.statements("job")
            iam = FakeIam(each for sid, each in statements.items() if sid != without)
            aws = stack.enter_context(fake_aws(iam))
            aws.make_table(plan.one("aws_dynamodb_table"))
            aws.s3.create_bucket(Bucket="my-data")
            certificate = broker_authority.write_certificate(tmp_path / "ca.pem")
            job = PlannedJob(plan, secure_broker, aws, certificate=certificate, directory=tmp_path)
            job.make_topics(partitions)
            job.grant_permissions()
            return job

        yield make


def test_first_start_and_resume_end_with_every_row(job_of: MakeJob) -> None:
    job = job_of(OPTIONS[0])
    job.put_source("exports/big.csv")
    first = job.run(LIMIT=str(ROWS // 3))
    assert first.code == 0, str(first)
    assert job.status() is JobStatus.DONE
    resumed = job.run()
    assert resumed.code == 0, str(resumed)
    assert f"sent {ROWS - ROWS // 3:,}" in resumed.out
    assert job.metrics() == {job.job_id}
    job.assert_proven(ROWS)
    assert job.aws.iam.refused == []


def test_topic_of_one_replica_is_refused_as_planned(job_of: MakeJob) -> None:
    """The job may read what it has to know for that: the options of the topic."""
    job = job_of(OPTIONS[0])
    job.put_source("exports/big.csv")
    ended = job.run(REQUIRE_DURABLE_TOPIC=job.plan.environment()["REQUIRE_DURABLE_TOPIC"])
    assert ended.code == 78, str(ended)
    assert "is not durable: it has one replica" in " ".join(ended.err.split())


@pytest.mark.parametrize("mode", ["exclusive", "transactional"])
def test_job_of_ranges_starts_and_resumes(mode: str, job_of: MakeJob) -> None:
    ranges = json.dumps({"PARTITIONS": str(PARTITIONS)})
    job = job_of(OPTIONS[0], partitions=PARTITIONS, mode=mode, extra_environment=ranges)
    job.put_source("exports/big.csv")
    first = job.run(LIMIT=str(ROWS // 2))
    assert first.code == 0, str(first)
    resumed = job.run()
    assert resumed.code == 0, str(resumed)
    sent = [job.aws.checkpoints(job.table).load(f"{job.job_id}.p{number}") for number in range(PARTITIONS)]
    assert sum(each.total_sent for each in sent if each) == ROWS
    assert job.aws.iam.refused == []


def test_job_may_not_touch_the_checkpoint_of_another(job_of: MakeJob) -> None:
    job = job_of(OPTIONS[0])
    job.put_source("exports/big.csv")
    ended = job.run(JOB_ID="other")
    assert ended.code == 77, str(ended)
    assert "is not authorized to perform: dynamodb:GetItem" in " ".join(ended.err.split())


def test_several_sources_are_read_in_their_order(job_of: MakeJob) -> None:
    uris = json.dumps({"SOURCE": "s3://my-data/second/b.csv s3://my-data/first/"})
    job = job_of(OPTIONS[0], extra_environment=uris)
    job.put_source("second/b.csv")
    job.put_source("first/a.csv", first=ROWS + 1)
    ended = job.run()
    assert ended.code == 0, str(ended)
    job.assert_proven(2 * ROWS)
    assert job.aws.iam.refused == []


def test_schema_in_s3_types_the_columns(job_of: MakeJob) -> None:
    schema = json.dumps({"SCHEMA_FILE": "s3://my-data/schemas/rows.yaml"})
    job = job_of(OPTIONS[0], extra_environment=schema)
    body = b"columns: [{column: id, type: integer, required: true}]"
    job.aws.s3.put_object(Bucket="my-data", Key="schemas/rows.yaml", Body=body)
    job.aws.s3.put_object(Bucket="my-data", Key="exports/big.csv", Body=b"id,name\n1,one\ntwo,two\n")
    ended = job.run()
    assert ended.code == 65, str(ended)
    assert "row 2" in " ".join(ended.err.split())


def test_schema_that_is_missing_in_s3_is_named(job_of: MakeJob) -> None:
    job = job_of(OPTIONS[0], extra_environment=json.dumps({"SCHEMA_FILE": "s3://my-data/schemas/none.yaml"}))
    job.put_source("exports/big.csv")
    ended = job.run()
    assert ended.code == 77, str(ended)  # S3 hides from those who may not list whether there is one
    assert "s3://my-data/schemas/none.yaml" in ended.err


def test_transactional_job_over_a_prefix_with_dead_letters_is_permitted(job_of: MakeJob) -> None:
    job = job_of(OPTIONS[0], mode="transactional", s3_key="exports/", on_bad_row="dead-letter")
    job.put_source("exports/1.csv", rows=ROWS, bad=7)
    job.put_source("exports/2.csv", first=ROWS + 1)
    ended = job.run()
    assert ended.code == 0, str(ended)
    job.assert_proven(2 * ROWS, "--dead-letter-topic", f"{job.topic}-dlq", "--job-id", job.job_id)
    assert job.aws.iam.refused == []


def test_source_that_is_encrypted_with_the_given_key_can_be_read(job_of: MakeJob) -> None:
    job = job_of(OPTIONS[0], s3_kms_key_arn=KMS_KEY)
    job.put_source("exports/big.csv", ServerSideEncryption="aws:kms", SSEKMSKeyId=KMS_KEY)
    ended = job.run()
    assert ended.code == 0, str(ended)
    job.assert_proven(ROWS)


def test_source_that_is_encrypted_with_another_key_is_refused(job_of: MakeJob) -> None:
    job = job_of(OPTIONS[0])
    job.put_source("exports/big.csv", ServerSideEncryption="aws:kms", SSEKMSKeyId=KMS_KEY)
    ended = job.run()
    assert (ended.code, [call.action for call in job.aws.iam.refused]) == (77, ["kms:Decrypt"]), str(ended)


@pytest.mark.parametrize(
    ("sid", "action"),
    [
        ("ReadTheSource", "s3:GetObject"),
        ("KeepCheckpoints", "dynamodb:GetItem"),
        ("LookForTheOtherForm", "dynamodb:GetItem"),
    ],
)
def test_missing_permission_ends_the_job_with_77(job_of: MakeJob, sid: str, action: str) -> None:
    job = job_of(OPTIONS[0], without=sid)
    job.put_source("exports/big.csv")
    ended = job.run()
    assert (ended.code, {call.action for call in job.aws.iam.refused}) == (77, {action}), str(ended)


def test_job_runs_without_permission_to_put_metrics(job_of: MakeJob) -> None:
    job = job_of(OPTIONS[0], without="PutMetrics")
    job.put_source("exports/big.csv")
    ended = job.run()
    assert ended.code == 0, str(ended)
    assert {call.action for call in job.aws.iam.refused} == {"cloudwatch:PutMetricData"}
    assert job.metrics() == set()


@pytest.mark.parametrize("key", ["other.csv", "exports/none.csv"])
def test_object_outside_the_permissions_is_refused_even_if_missing(job_of: MakeJob, key: str) -> None:
    """Without the right to list, S3 says of a missing object that it is refused."""
    job = job_of(OPTIONS[0], s3_key="exports/none.csv")
    job.put_source("other.csv")
    ended = job.run(S3_KEY=key)
    assert ended.code == 77, str(ended)
    assert "s3:GetObject" in ended.err
