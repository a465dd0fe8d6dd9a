"""The SQL of DuckDB.

Nothing is left to its detection of dialects (``auto_detect = false``), so it reads every upload alike or refuses it.
"""

from __future__ import annotations

from uploader.reading.statements.sql_text import literal
from uploader.reading.statements.upload_source import ACCESS_KEY, SECRET_KEY, UploadSource, distinct_names

_SAME_NAMES = (
    *(
        "cp1250",
        "cp1251",
        "cp1252",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp437",
        "cp737",
        "cp775",
        "cp850",
    ),
    *("cp852", "cp855", "cp857", "cp860", "cp861", "cp862", "cp863", "cp865", "cp866", "cp869", "cp949", "euc_jp"),
    *("euc_kr", "shift_jis"),
)
_PARTS_OF_ISO_8859 = (2, 3, 4, 5, 6, 9, 10, 11, 14, 15)
ENCODINGS = {
    **{name: name for name in _SAME_NAMES},
    **{f"iso8859-{part}": f"ISO_8859_{part}" for part in _PARTS_OF_ISO_8859},
    "gb2312": "EUC_CN",
    "hp-roman8": "HP_ROMAN8",
    "iso8859-1": "latin-1",
    "koi8-r": "KOI8_R",
    "koi8-t": "glibc-KOI8_T-2.3.3",
    "kz1048": "glibc-RK1048-2.3.3",
    "ptcp154": "glibc-PT154-2.3.3",
}
"""DuckDB's names of Python's encodings, where both read the same characters (tried with DuckDB 1.5.5)."""


def duckdb_statement(source: UploadSource) -> str:
    """Return a statement that reads every column as text."""
    return "\n\n".join(filter(None, (_extension(source), _secret(source), _select(source))))


def duckdb_notes(source: UploadSource) -> list[str]:
    """Return what DuckDB misreads."""
    notes = []
    if source.has_customer_key:
        notes.append("DuckDB cannot read objects that are encrypted with a customer key (SSE-C).")
    if distinct_names(source.headers) != source.headers:
        notes.append("Names of columns that are empty, or equal but for their case, are changed.")
    if source.is_ragged:
        notes.append(
            "Rows with another number of fields than the header are refused; null_padding = true fills missing ones."
        )
    if not source.is_utf8 and source.text_encoding not in ENCODINGS:
        notes.append(f"DuckDB does not read {source.encoding} reliably: convert the objects to UTF-8 first.")
    return notes


def _extension(source: UploadSource) -> str:
    is_built_in = ENCODINGS.get(source.text_encoding, "latin-1") == "latin-1"
    return "" if is_built_in else "INSTALL encodings;\nLOAD encodings;"


def _secret(source: UploadSource) -> str:
    options = ["TYPE s3", f"KEY_ID '{ACCESS_KEY}'", f"SECRET '{SECRET_KEY}'", f"REGION {literal(source.region)}"]
    if not source.is_amazon:
        options += [f"ENDPOINT {literal(source.endpoint_host)}", "URL_STYLE 'path'"]
        options += [] if source.has_tls else ["USE_SSL false"]
    lines = ",\n".join(f"    {option}" for option in options)
    return f"CREATE OR REPLACE SECRET csvpipe (\n{lines}\n);"


def _select(source: UploadSource) -> str:
    columns = ",\n".join(f"        {literal(name)}: 'VARCHAR'" for name in distinct_names(source.headers))
    encoding = ENCODINGS.get(source.text_encoding)
    options = [
        "auto_detect = false",
        "header = true",
        *([f"skip = {source.start.lines_before_header}"] if source.start.lines_before_header else []),
        f"delim = {_character(source.delimiter)}",
        "quote = '\"'",
        "escape = '\"'",
        *([] if encoding is None else [f"encoding = {literal(encoding)}"]),
        f"columns = {{\n{columns}\n    }}",
    ]
    lines = ",\n".join(f"    {option}" for option in (_paths(source), *options))
    return f"-- {source.contents}\nSELECT * FROM read_csv(\n{lines}\n);"


def _paths(source: UploadSource) -> str:
    """Return all objects, none of them by a wildcard: one that is missing is an error."""
    if source.objects == 1:
        return literal(source.url("001"))
    return f"[printf({literal(source.url('%03d'))}, number) for number in range(1, {source.objects + 1})]"


def _character(delimiter: str) -> str:
    return literal(delimiter) if delimiter.isprintable() else f"chr({ord(delimiter)})"
