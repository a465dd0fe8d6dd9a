"""Names of the settings by which a service of AWS is reached, so that an error names the one to change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """Names of the caller's settings.

    Attributes:
        address: URL of the service.
        region: region of the service.
        ca: file of the authorities to trust; by default the variable of boto3.
        payer: who pays for requests; None if the caller has no such setting.
    """

    address: str
    region: str = "AWS_REGION"
    ca: str = "AWS_CA_BUNDLE"
    payer: str | None = None

    @property
    def payer_hint(self) -> str:
        """What to set if the readers of a bucket pay, as the end of a sentence."""
        return "" if self.payer is None else f"; a bucket whose readers pay needs {self.payer}=requester"
