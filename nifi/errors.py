"""Errors of deploying, exporting and inspecting the flow."""

from __future__ import annotations

from contracts.errors import CsvPipeError
from contracts.exit_codes import ExitCode


class NiFiError(CsvPipeError):
    """Base class of the errors of this package."""

    code = "nifi_error"
    status = 502
    title = "NiFi error"


class NiFiUnreachableError(NiFiError):
    """NiFi does not answer at its address."""

    code = "nifi_unreachable"
    status = 503
    exit_code = ExitCode.UNAVAILABLE
    title = "NiFi unreachable"


class NiFiApiError(NiFiError):
    """NiFi refused a request. The error text is NiFi's own."""

    code = "nifi_api_error"
    title = "NiFi refused the request"


class NiFiTimeoutError(NiFiError):
    """NiFi accepted a request and did not complete it in time."""

    code = "nifi_timeout"
    status = 504
    exit_code = ExitCode.TEMPORARY_FAILURE
    title = "NiFi timed out"


class NotDeployedError(NiFiError):
    """The process group does not exist in this NiFi."""

    code = "nifi_not_deployed"
    status = 404
    title = "Flow not deployed"


class InvalidFlowError(NiFiError):
    """A processor or a service of the deployed flow is invalid. The error text names each with NiFi's reason."""

    code = "nifi_flow_invalid"
    status = 422
    title = "Invalid flow"


class MissingParameterError(NiFiError):
    """A parameter that the flow refers to has no value. NiFi itself reports such a flow as valid."""

    code = "nifi_parameter_missing"
    status = 422
    title = "Parameter without a value"


class UnknownParameterError(NiFiError):
    """A parameter was given that the flow does not have."""

    code = "nifi_parameter_unknown"
    status = 422
    title = "Unknown parameter"


class InvalidParameterError(NiFiError):
    """A parameter was given a value that it cannot have."""

    code = "nifi_parameter_invalid"
    status = 422
    title = "Invalid parameter"


class CertificateFileError(NiFiError):
    """A file with a certificate or a private key cannot be used."""

    code = "nifi_certificate_file"
    status = 422
    title = "Invalid certificate file"


class FlowFileError(NiFiError):
    """The flow definition file cannot be used."""

    code = "nifi_flow_file"
    status = 422
    title = "Invalid flow definition"


class EnvironmentFileError(NiFiError):
    """The file of an environment cannot be used."""

    code = "nifi_environment_file"
    status = 422
    title = "Invalid environment"
