"""The Python of Spark."""

from __future__ import annotations

from uploader.reading.statements.python_text import urls
from uploader.reading.statements.upload_source import ACCESS_KEY, CUSTOMER_KEY, SECRET_KEY, UploadSource, distinct_names

_UNSUPPORTED = frozenset(
    {
        *("cp1006", "cp1125", "cp720", "cp856", "cp874", "cp950", "hp-roman8", "iso8859-10", "iso8859-11"),
        *(
            "iso8859-14",
            "iso8859-16",
            "koi8-t",
            "kz1048",
            "mac-arabic",
            "mac-croatian",
            "mac-cyrillic",
            "mac-farsi",
            "mac-greek",
        ),
        *("mac-iceland", "mac-latin2", "mac-roman", "mac-romanian", "mac-turkish", "palmos", "ptcp154"),
    }
)
"""Python's names of encodings that Java does not know, or reads otherwise (tried with Spark 4.3 on Java 17)."""


def spark_script(source: UploadSource) -> str:
    """Return a script that reads every column as text.

    With ``lineSep``, line ends in quotes stay as they are; by default Spark may replace CRLF by LF.
    """
    line_end = source.start.line_end
    options = [
        _call("option", "header", True),
        _call("option", "sep", source.delimiter),
        _call("option", "quote", '"'),
        _call("option", "escape", '"'),
        _call("option", "multiLine", True),
        *([] if line_end is None else [_call("option", "lineSep", line_end)]),
        _call("option", "mode", "FAILFAST"),
        *([] if source.is_utf8 else [_call("option", "encoding", source.text_encoding)]),
        f".csv({urls(source, scheme='s3a')})",
    ]
    return (
        "from pyspark.sql import SparkSession\n\n# Spark needs the package hadoop-aws of its version of Hadoop.\n"
        f"spark = (\n    SparkSession.builder\n{_lines(_configuration(source))}    .getOrCreate()\n)\n"
        f"# {source.contents}\nframe = (\n    spark.read\n{_lines(options)})\n"
    )


def spark_notes(source: UploadSource) -> list[str]:
    """Return what Spark misreads."""
    notes = ["Rows are not in the order of the file."]
    if source.start.line_end is None:
        notes.append("A CRLF within quotes may be read as LF.")
    if source.start.lines_before_header:
        notes.append(
            "Spark reads the first line of the file as the header, though the names of the columns come later."
        )
    if distinct_names(source.headers) != source.headers:
        notes.append("Names of columns that are empty, or equal but for their case, are changed.")
    if source.is_ragged:
        notes.append("Rows with another number of fields than the header are refused; mode PERMISSIVE changes them.")
    if source.text_encoding in _UNSUPPORTED:
        notes.append(f"Spark does not read {source.encoding} reliably: convert the objects to UTF-8 first.")
    return notes


def _configuration(source: UploadSource) -> list[str]:
    values = {"fs.s3a.access.key": ACCESS_KEY, "fs.s3a.secret.key": SECRET_KEY, "fs.s3a.endpoint.region": source.region}
    if not source.is_amazon:
        values |= {"fs.s3a.endpoint": source.endpoint, "fs.s3a.path.style.access": "true"}
    if source.has_customer_key:
        values |= {"fs.s3a.encryption.algorithm": "SSE-C", "fs.s3a.encryption.key": CUSTOMER_KEY}
    calls = [_call("config", f"spark.hadoop.{name}", value) for name, value in values.items()]
    # By default Spark reads a few encodings only, UTF-8 among them.
    return calls + ([] if source.is_utf8 else [_call("config", "spark.sql.legacy.javaCharsets", "true")])


def _call(method: str, name: str, value: object) -> str:
    return f".{method}({name!r}, {value!r})"


def _lines(calls: list[str]) -> str:
    return "".join(f"    {call}\n" for call in calls)
