"""Settings for those who read uploads: where they reach the object store, and where other services show an upload."""

from __future__ import annotations

import string

from pydantic import Field, ValidationInfo, field_validator

from contracts.settings import EnvironmentSettings
from uploader.server_settings import HTTP_ADDRESS

_TEMPLATE = r"^https?://[^/\s?#{}]+[^\s\"'<>]*$"
_PLACEHOLDERS = {"bucket_browser_url": {"bucket", "prefix"}, "trace_url": {"trace_id"}}


class ReaderSettings(EnvironmentSettings):
    """Addresses outside of the pipeline. The uploader's settings class has these settings."""

    s3_public_endpoint: str | None = Field(
        None,
        pattern=HTTP_ADDRESS,
        description="URL of the object store as readers reach it, for the statements that read an upload; empty for "
        "S3_ENDPOINT.",
    )
    airflow_url: str | None = Field(
        None,
        pattern=HTTP_ADDRESS,
        description="URL of Airflow as browsers reach it, for links to the runs of an upload; empty for none.",
    )
    bucket_browser_url: str | None = Field(
        None,
        pattern=_TEMPLATE,
        description="URL of a page that shows the objects of a dataset, with {bucket} and {prefix}, such as "
        "https://minio.example.com/browser/{bucket}/{prefix}; empty for none.",
    )
    trace_url: str | None = Field(
        None,
        pattern=_TEMPLATE,
        description="URL of a page that shows a trace, with {trace_id}, such as "
        "https://jaeger.example.com/trace/{trace_id}; empty for none.",
    )

    @field_validator(*_PLACEHOLDERS)
    @classmethod
    def _has_known_placeholders(cls, value: str | None, info: ValidationInfo) -> str | None:
        known = _PLACEHOLDERS[str(info.field_name)]
        if value is not None and _placeholders(value) - known:
            names = " and ".join(f"{{{name}}}" for name in sorted(known))
            raise ValueError(f"must have no braces but those of {names}; write %7B and %7D for others")
        return value


def _placeholders(template: str) -> set[str]:
    """Return the names in braces; braces that are none count as a name of their own."""
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError:
        return {template}
    return {name if not (form or conversion) else template for _, name, form, conversion in fields if name is not None}
