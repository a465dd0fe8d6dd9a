"""The SQL of Trino, with a table of its Hive connector.

Such a table is a folder, so it has the objects of every upload of the dataset, and the hidden column ``$path`` tells
them apart. Its file format CSV has text columns only.
"""

from __future__ import annotations

from uploader.reading.statements.sql_text import identifier, literal
from uploader.reading.statements.upload_source import UploadSource, distinct_names

_ESCAPES = "\x01\x02"
"""Characters that no text has. Trino's default is a backslash, which it removes."""


def trino_statement(source: UploadSource) -> str:
    """Return statements that make a table and read the upload."""
    table = f"hive.default.{identifier(source.dataset.lower())}"
    columns = ",\n".join(f"    {identifier(name)} VARCHAR" for name in _names(source))
    escape = next(character for character in _ESCAPES if character != source.delimiter)
    properties = [
        "format = 'CSV'",
        f"external_location = {literal(source.folder_url)}",
        f"csv_separator = {_character(source.delimiter)}",
        "csv_quote = '\"'",
        f"csv_escape = {_character(escape)}",
        f"skip_header_line_count = {source.start.lines}",
    ]
    options = ",\n".join(f"    {each}" for each in properties)
    return (
        f"CREATE TABLE {table} (\n{columns}\n) WITH (\n{options}\n);\n\n-- {source.contents}\nSELECT * FROM {table}\n"
        f"WHERE \"$path\" LIKE {literal(_pattern(source))} ESCAPE '!';"
    )


def trino_notes(source: UploadSource) -> list[str]:
    """Return what Trino misreads."""
    notes = [
        "The table fits uploads of this dataset with the same columns and delimiter.",
        "Trino ends a row at a line end within quotes. Check the file first: csvpipe check FILE --for trino",
    ]
    if _names(source) != source.headers:
        notes.append("Names of columns are in lower case; empty and repeated ones are changed.")
    if not source.is_utf8:
        notes.append("Trino reads UTF-8 only: convert the objects first.")
    if source.is_ragged:
        notes.append("Missing fields are null, and surplus ones are dropped, without an error.")
    if source.has_customer_key:
        notes.append("The catalog needs s3.sse.type=CUSTOMER and s3.sse.customer-key.")
    return notes


def _names(source: UploadSource) -> list[str]:
    return distinct_names(name.lower() for name in source.headers)


def _pattern(source: UploadSource) -> str:
    """Return a pattern of the upload's objects, in any form in which Trino may give their scheme."""
    key = "".join(f"!{character}" if character in "_%!" else character for character in source.key("\x00"))
    return f"%/{key}".replace("\x00", "%")


def _character(text: str) -> str:
    return literal(text) if text.isprintable() else f"U&'\\{ord(text):04X}'"
