"""S3, DynamoDB and CloudWatch as faked by moto, behind a fake of IAM that refuses requests as AWS does.

moto knows no conditions of IAM. So each call is judged here, over HTTP, before moto sees it: who comes with
:data:`JOB_KEY` has the permissions of the planned role, :data:`OWNER_KEY` has all.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

import boto3
import urllib3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from sequencer.checkpoint.dynamodb import DynamoDbCheckpoints
from stack.ports import free_ports
from tests.support.terraform.fake_iam import Call, FakeIam

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client

REGION = "us-east-1"
JOB_KEY, OWNER_KEY = "THE-JOB", "THE-OWNER"
_HOST = "127.0.0.1"
_TARGETS = {"DynamoDB_20120810": "dynamodb", "GraniteServiceVersion20100801": "cloudwatch"}
_OBJECT = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}
Answer = tuple[str, list[tuple[str, str]], bytes]


@dataclass(frozen=True)
class _Request:
    service: str
    call: Call
    method: str
    bucket: str = ""


class FakeAws:
    """The services behind :class:`FakeIam`; a WSGI application.

    Args:
        iam: the permissions of :data:`JOB_KEY`.
        address: ``http://host:port`` under which it answers.
    """

    def __init__(self, iam: FakeIam, address: str) -> None:
        self.iam = iam
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.address = address
        self.s3: S3Client = self._client("s3")
        self.dynamodb: DynamoDBClient = self._client("dynamodb")
        self.cloudwatch: CloudWatchClient = self._client("cloudwatch")

    def environment(self) -> dict[str, str]:
        """Return the environment in which a job uses this server with its role."""
        names = ("S3_ENDPOINT", "DYNAMODB_ENDPOINT", "CLOUDWATCH_ENDPOINT")
        return dict.fromkeys(names, self.address) | {
            "AWS_ACCESS_KEY_ID": JOB_KEY,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def make_table(self, planned: dict[str, Any]) -> None:
        """Make a table as it is planned."""
        self.dynamodb.create_table(
            TableName=planned["name"],
            KeySchema=[{"AttributeName": planned["hash_key"], "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": each["name"], "AttributeType": each["type"]} for each in planned["attribute"]
            ],
            BillingMode=planned["billing_mode"],
        )

    def checkpoints(self, table: str) -> DynamoDbCheckpoints:
        """Return the checkpoints as their owner sees them."""
        return DynamoDbCheckpoints(self.dynamodb, table=table)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Judge the call, and hand it on to moto if it is allowed."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, headers, content = self._answer(environ, body)
        start_response(status, headers)
        return [content]

    def _answer(self, environ: dict[str, Any], body: bytes) -> Answer:
        is_job = f"Credential={JOB_KEY}/" in environ.get("HTTP_AUTHORIZATION", "")
        request = _understand(environ, body) if is_job else None
        if request is not None and not self.iam.allows(request.call):
            return _refusal(request)
        environ["wsgi.input"] = io.BytesIO(body)
        parts, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        answer = (status, list(headers), b"".join(parts))
        if request is None or request.service != "s3":
            return answer
        return answer if self._may_see(request, answer) else _refusal(request)

    def _may_see(self, request: _Request, answer: Answer) -> bool:
        """Return whether S3 gives this answer: it needs the key of the object, and hides which objects there are."""
        status, headers, _ = answer
        if status.startswith("404"):
            bucket = f"arn:aws:s3:::{request.bucket}"
            return self.iam.allows(Call("s3:ListBucket", bucket, {"s3:prefix": ("",)}))
        of_object = {name.lower(): value for name, value in headers}
        key = of_object.get("x-amz-server-side-encryption-aws-kms-key-id")
        if key is None or request.method != "GET":
            return True
        return self.iam.allows(Call("kms:Decrypt", key, {"kms:ViaService": (f"s3.{REGION}.amazonaws.com",)}))

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]  # one of three
            region_name=REGION,
            endpoint_url=self.address,
            aws_access_key_id=OWNER_KEY,
            aws_secret_access_key="secret",
        )


@contextmanager
def fake_aws(iam: FakeIam) -> Iterator[FakeAws]:
    """Serve until the block ends, with nothing in it."""
    (port,) = free_ports(1)
    aws = FakeAws(iam, f"http://{_HOST}:{port}")
    server = make_server(_HOST, port, aws, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="fake-aws")
    thread.start()
    try:
        # moto keeps everything in this process: what another test has made is taken away.
        urllib3.request("POST", f"{aws.address}/moto-api/reset")
        yield aws
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _understand(environ: dict[str, Any], body: bytes) -> _Request:
    """Return what is asked for, with the condition keys that the service sets."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        version, _, operation = target.partition(".")
        service, given = _TARGETS[version], json.loads(body)
        return _Request(service, _JSON_CALLS[service](f"{service}:{operation}", given), environ["REQUEST_METHOD"])
    bucket, _, key = unquote(environ["PATH_INFO"].lstrip("/")).partition("/")
    arn, method = f"arn:aws:s3:::{bucket}", environ["REQUEST_METHOD"]
    if key:
        return _Request("s3", Call(_OBJECT[method], f"{arn}/{key}"), method, bucket)
    prefix = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True).get("prefix", [])
    return _Request("s3", Call("s3:ListBucket", arn, {"s3:prefix": tuple(prefix)} if prefix else {}), method, bucket)


def _of_dynamodb(action: str, given: dict[str, Any]) -> Call:
    ((key,),) = [each.values() for each in given["Key"].values()]
    # The ARN that the fake provider makes up for a table.
    arn = f"fake-arn-of-aws_dynamodb_table-{given['TableName']}"
    return Call(action, arn, {"dynamodb:LeadingKeys": (key,)})


def _of_cloudwatch(action: str, given: dict[str, Any]) -> Call:
    return Call(action, "*", {"cloudwatch:namespace": (given["Namespace"],)})


_JSON_CALLS: dict[str, Callable[[str, dict[str, Any]], Call]] = {
    "dynamodb": _of_dynamodb,
    "cloudwatch": _of_cloudwatch,
}


def _refusal(request: _Request) -> Answer:
    """Return AccessDenied, as the service words it."""
    call = request.call
    text = f"User: the job is not authorized to perform: {call.action} on resource: {call.resource} (fake of IAM)"
    if request.service == "s3":
        content = f"<Error><Code>AccessDenied</Code><Message>{escape(text)}</Message></Error>"
        return (
            "403 Forbidden",
            [("Content-Type", "application/xml")],
            b"" if request.method == "HEAD" else content.encode(),
        )
    code = {"dynamodb": "AccessDeniedException", "cloudwatch": "AccessDenied"}[request.service]
    content = json.dumps({"__type": f"com.amazon.coral.service#{code}", "Message": text})
    return "400 Bad Request", [("Content-Type", "application/x-amz-json-1.0")], content.encode()
