"""The version of an object, known by its ETag."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import StoreResponseError

LOOK_AT_ENDPOINT = "Check S3_ENDPOINT, and any cache or gateway before it"
_NO_ENCODING = frozenset({"", "identity", "aws-chunked"})  # the last one is of the upload, and S3 keeps it


@dataclass(frozen=True, kw_only=True)
class ObjectVersion:
    """One version of an object.

    Attributes:
        size_bytes: its size.
        etag: its ETag as the store returns it, with quotes, and with ``W/`` if it is weak.
        encoding: its Content-Encoding; None if it is not known, as a listing does not have it.
    """

    size_bytes: int
    etag: str
    encoding: str | None = None

    @property
    def tag(self) -> str:
        """The opaque tag, by which weak ETags are compared (RFC 9110, 8.8.3.2)."""
        return opaque_tag(self.etag)

    @property
    def is_weak(self) -> bool:
        """Whether ``If-Match`` never matches it (RFC 9110, 13.1.1)."""
        return self.etag.startswith("W/")


def opaque_tag(etag: str) -> str:
    """Return an ETag without its quotes and without the mark of weak ones."""
    return etag.removeprefix("W/").strip('"')


def require_etag(etag: str | None, name: str) -> str:
    """Return ``etag``.

    Raises:
        StoreResponseError: there is none.
    """
    if not etag or not opaque_tag(etag):
        raise StoreResponseError(
            f"{name} has no ETag, without which a replacement of the object cannot be detected. {LOOK_AT_ENDPOINT}, or "
            "copy the object to a store that returns ETags"
        )
    return etag


def encodings_of(header: str | None) -> list[str]:
    """Return the encodings in a Content-Encoding header that change the bytes."""
    names = (name.strip().lower() for name in (header or "").split(","))
    return [name for name in names if name not in _NO_ENCODING]
