"""The result of a check, as ``csvpipe check --json`` prints it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, Field

from contracts.deviations import AcceptedDeviations


class Reader(StrEnum):
    """A program that reads CSV."""

    DUCKDB = "duckdb"
    SPARK = "spark"
    TRINO = "trino"
    SNOWFLAKE = "snowflake"
    BIGQUERY = "bigquery"
    PANDAS = "pandas"
    POLARS = "polars"
    PYARROW = "pyarrow"


class Fault(BaseModel):
    """A violation of the rules of CSV."""

    reason: str
    row: int = Field(description="from 1; 0 is the header")
    byte: int = Field(description="offset in the content")
    expected: str
    found: str
    hint: str = ""


class Finding(BaseModel):
    """Something in the file that a reader reads differently with its defaults."""

    reader: Reader
    rule: str
    count: int = Field(description="how often the file has it")
    effect: str
    remedy: str


class LineEnds(BaseModel):
    """Numbers of line ends by kind, without those within quotes."""

    lf: int
    crlf: int
    cr: int


class CheckReport(BaseModel):
    """What a file contains. The members from ``delimiter`` to ``row_count`` are null if there is no valid header."""

    source: str
    source_bytes: int = Field(description="bytes read; less than the file has if a fault ended the scan")
    is_valid: bool
    compression: str | None = Field(None, description="gzip or zstd, by the first bytes; the content was unpacked")
    delimiter: str | None = None
    encoding: str | None = Field(None, description="declared or detected; of the source, if that is UTF-16")
    has_bom: bool | None = None
    has_sep_line: bool | None = None
    headers: list[str] | None = None
    line_ends: LineEnds | None = None
    row_count: int | None = Field(None, description="rows without header and blank lines, as far as the scan came")
    accepted_deviations: AcceptedDeviations | None = Field(None, description="with `--lenient`")
    fault_counts: dict[str, int] = Field(description="numbers of faults by reason, at most one of each in a row")
    faults: list[Fault] = Field(description="the first ones")
    findings: list[Finding] = Field(default_factory=list, description="what the readers of `--for` will misread")
