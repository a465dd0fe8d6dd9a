"""The fields of an upload, from the form and the query string in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from contracts.names import check_dataset_name
from csvscan import DelimiterError, Strictness, parse_delimiter
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.errors import InvalidFieldError
from uploader.ingest.text_encodings import find_codec_name
from uploader.settings import Settings

FIELD_NAMES = ("dataset_name", "chunk_type", "chunk_size", "delimiter", "encoding", "strict")
FILE_FIELD = "file"
MAX_FIELD_BYTES = 4096
MAX_CHUNK_SIZE = 1_000_000_000_000
_STRICTNESS = {
    **dict.fromkeys(("true", "1", "yes", "on"), Strictness.STRICT),
    **dict.fromkeys(("false", "0", "no", "off"), Strictness.OFF),
    "lenient": Strictness.LENIENT,
}
_UNITS = {ChunkType.SIZE: "MiB", ChunkType.ROWS: "rows", ChunkType.COUNT: "chunks (MAX_CHUNKS)"}


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How a file is to be read."""

    delimiter: bytes | None
    """None to detect it."""
    encoding: str | None
    """The encoding that the bytes must be valid in; None to accept all."""
    strict: Strictness


class FormFields:
    """Collects fields as they arrive. A repeated field must have the same value.

    ``check_dataset`` is called with the dataset's name as soon as it is known; what it raises passes through.
    """

    def __init__(
        self,
        *,
        query: Iterable[tuple[str, str]],
        defaults: Settings,
        check_dataset: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._values: dict[str, str] = {}
        self._defaults = defaults
        self._check_dataset = check_dataset
        for name, value in query:
            self.add(name, value)

    def add(self, name: str, value: str) -> None:
        """Add one field.

        Raises:
            InvalidFieldError: the name is unknown, or the field has already been added with another value.
        """
        if name not in FIELD_NAMES:
            raise InvalidFieldError(
                f"unknown field {name[:64]!r}; the fields are {FILE_FIELD}, {', '.join(FIELD_NAMES)}", field=name[:64]
            )
        if len(value.encode(errors="replace")) > MAX_FIELD_BYTES:
            raise InvalidFieldError(f"{name} is longer than {MAX_FIELD_BYTES} bytes", field=name)
        known = self._values.setdefault(name, value)
        if known != value:
            raise InvalidFieldError(f"{name} is given twice, as {known!r} and as {value!r}", field=name)
        if name == "dataset_name":
            self._check_dataset(value)

    @property
    def are_sufficient(self) -> bool:
        """Whether the fields without a default are known: ``dataset_name`` and, for chunks by count, their number."""
        by_count = self._values.get("chunk_type", self._defaults.chunk_type).lower() == ChunkType.COUNT
        return "dataset_name" in self._values and (not by_count or "chunk_size" in self._values)

    def options(self) -> CutOptions:
        """Check the fields and return their values.

        Raises:
            InvalidFieldError: a field is missing or breaks its rule; the message states the rule.
            InvalidDatasetNameError: the dataset's name breaks the rule.
        """
        if "dataset_name" not in self._values:
            raise InvalidFieldError(
                "dataset_name is missing: send it as a form field or in the query", field="dataset_name"
            )
        chunk_type = self._chunk_type()
        reading = self.reading_options()
        return CutOptions(
            dataset_name=check_dataset_name(self._values["dataset_name"]),
            chunk_type=chunk_type,
            chunk_size=self._chunk_size(chunk_type),
            delimiter=reading.delimiter,
            encoding=reading.encoding,
            strict=reading.strict,
        )

    def reading_options(self) -> ReadingOptions:
        """Check the fields that say how to read the file, and return their values.

        Raises:
            InvalidFieldError: a field breaks its rule; the message states the rule.
        """
        return ReadingOptions(delimiter=self._delimiter(), encoding=self._encoding(), strict=self._strict())

    def _chunk_type(self) -> ChunkType:
        value = self._values.get("chunk_type")
        if value is None:
            return ChunkType(self._defaults.chunk_type)
        try:
            return ChunkType(value.lower())
        except ValueError:
            raise InvalidFieldError(
                f"chunk_type must be one of {', '.join(ChunkType)}, got {value!r}", field="chunk_type"
            ) from None

    def _chunk_size(self, chunk_type: ChunkType) -> int:
        value = self._values.get("chunk_size")
        if value is None:
            return self._default_chunk_size(chunk_type)
        limit = self._defaults.max_chunks if chunk_type is ChunkType.COUNT else MAX_CHUNK_SIZE
        size = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0
        if not 1 <= size <= limit:
            raise InvalidFieldError(
                f"chunk_size must be a whole number from 1 to {limit} {_UNITS[chunk_type]} with "
                f"chunk_type={chunk_type}, got {value!r}",
                field="chunk_size",
            )
        return size

    def _default_chunk_size(self, chunk_type: ChunkType) -> int:
        if chunk_type is ChunkType.SIZE:
            return self._defaults.chunk_size_mb
        if chunk_type is ChunkType.ROWS:
            return self._defaults.chunk_rows
        raise InvalidFieldError("chunk_type=count requires chunk_size, the number of chunks", field="chunk_size")

    def _delimiter(self) -> bytes | None:
        try:
            return parse_delimiter(self._values.get("delimiter", ""))
        except DelimiterError as error:
            raise InvalidFieldError(str(error), field="delimiter") from error

    def _encoding(self) -> str | None:
        value = self._values.get("encoding")
        if value is None or value in {"", "auto"}:
            return None
        name = find_codec_name(value)
        if name is None:
            raise InvalidFieldError(
                f"encoding must be a known text encoding such as utf-8, latin-1, windows-1252, cp932 or gb18030, "
                f"got {value[:40]!r}",
                field="encoding",
            )
        return name

    def _strict(self) -> Strictness:
        value = self._values.get("strict")
        if value is None:
            return Strictness.STRICT
        if value.lower() not in _STRICTNESS:
            raise InvalidFieldError(f"strict must be true, false or lenient, got {value!r}", field="strict")
        return _STRICTNESS[value.lower()]
