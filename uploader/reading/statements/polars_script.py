"""The Python of Polars."""

from __future__ import annotations

from uploader.reading.statements.python_text import urls
from uploader.reading.statements.upload_source import ACCESS_KEY, CUSTOMER_KEY, SECRET_KEY, UploadSource, distinct_names

_LINES = "Blank lines are rows of nulls, and a single CR does not end a row."


def polars_script(source: UploadSource) -> str:
    """Return a script that reads every column as text."""
    return _scan(source) if source.is_utf8 and not source.has_customer_key else _read_each(source)


def polars_notes(source: UploadSource) -> list[str]:
    """Return what Polars misreads."""
    notes = [f"{_LINES} Check the file first: csvpipe check FILE --for polars"]
    if distinct_names(source.headers, fold=str) != source.headers:
        notes.append("Names of columns that are empty or repeated are changed.")
    if source.is_ragged:
        notes.append("Rows with too many fields are refused; missing fields are null.")
    return notes


def _scan(source: UploadSource) -> str:
    """Return a lazy scan, which reads only what a query needs."""
    options = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "aws_region": source.region}
    if not source.is_amazon:
        options["aws_endpoint_url"] = source.endpoint
        options |= {} if source.has_tls else {"aws_allow_http": "true"}
    lines = "".join(f'    "{name}": {value!r},\n' for name, value in options.items())
    arguments = [urls(source), *_dialect(source), "storage_options=storage_options"]
    return (
        f"import polars as pl\n\nstorage_options = {{\n{lines}}}\n# {source.contents}\nframe = pl.scan_csv(\n"
        f"{_indented(arguments, 4)}).collect()\n"
    )


def _read_each(source: UploadSource) -> str:
    """Return a loop over the objects: scans read UTF-8 only, and know no customer keys."""
    client = ["'s3'", f"aws_access_key_id={ACCESS_KEY!r}", f"aws_secret_access_key={SECRET_KEY!r}"]
    client += [f"region_name={source.region!r}"] + ([] if source.is_amazon else [f"endpoint_url={source.endpoint!r}"])
    wanted = [f"Bucket={source.bucket!r}", "Key=key"]
    if source.has_customer_key:
        wanted += ["SSECustomerAlgorithm='AES256'", f"SSECustomerKey=b64decode({CUSTOMER_KEY!r})"]
    arguments = ["body.read()", f"encoding={source.text_encoding!r}", *_dialect(source)]
    decoding = "from base64 import b64decode\n\n" if source.has_customer_key else ""
    return (
        f"{decoding}import boto3\nimport polars as pl\n\ns3 = boto3.client(\n{_indented(client, 4)})\n"
        f"keys = [f{source.key('{number:03d}')!r} for number in range(1, {source.objects + 1})]\n"
        f"bodies = (s3.get_object({', '.join(wanted)})['Body'] for key in keys)\n# {source.contents}\n"
        f"frame = pl.concat(\n    pl.read_csv(\n{_indented(arguments, 8)}    )\n    for body in bodies\n)\n"
    )


def _dialect(source: UploadSource) -> list[str]:
    skipped = source.start.lines_before_header
    return [
        "has_header=True",
        *([f"skip_lines={skipped}"] if skipped else []),
        f"separator={source.delimiter!r}",
        "quote_char='\"'",
        "infer_schema=False",
    ]


def _indented(arguments: list[str], width: int) -> str:
    return "".join(f"{' ' * width}{argument},\n" for argument in arguments)
