"""The check of the bucket: there, readable, and the clock of the object store."""

from __future__ import annotations

from csvpipe.doctor.certificate import check_certificate
from csvpipe.doctor.clock import compare_clock
from csvpipe.doctor.finding import Finding, Findings, Verdict
from csvpipe.settings import ClientSettings
from csvpipe.verify.s3_objects import connect

_NAMES = frozenset({"s3_endpoint", "s3_bucket", "aws_access_key_id"})


def check_bucket(settings: ClientSettings) -> Findings:
    """Give whether the bucket can be listed, which ``csvpipe verify`` needs. Nothing is written.

    Raises:
        CsvPipeError: there is no such bucket, or the store does not answer or refuses.
    """
    if not settings.model_fields_set & _NAMES:
        yield Finding("settings", Verdict.SKIPPED, "none of S3_ENDPOINT, S3_BUCKET and AWS_ACCESS_KEY_ID is set")
        return
    date = connect(settings).check_listing()
    where = settings.s3_endpoint or "Amazon S3"
    yield Finding("bucket", Verdict.OK, f"{settings.s3_bucket} at {where} can be listed")
    yield from compare_clock(date)
    if settings.s3_endpoint:
        yield from check_certificate(settings.s3_endpoint, ca_file=settings.s3_ca_file, ca_setting="S3_CA_FILE")
