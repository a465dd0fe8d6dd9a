"""What can go wrong between us and a NiFi, said so that one can act on it."""

from __future__ import annotations

from contracts.errors import CsvPipeError
from contracts.exit_codes import ExitCode


class NiFiError(CsvPipeError):
    """Base of the errors of deploying, exporting and inspecting the flow."""

    code = "nifi_error"
    status = 502
    title = "NiFi"


class NiFiUnreachableError(NiFiError):
    """NiFi does not answer at its address."""

    code = "nifi_unreachable"
    status = 503
    exit_code = ExitCode.UNAVAILABLE
    title = "NiFi is not reachable"


class NiFiApiError(NiFiError):
    """NiFi refused a request; the text is its own."""

    code = "nifi_api_error"
    title = "NiFi refused the request"


class NiFiTimeoutError(NiFiError):
    """NiFi took the request and did not finish it in time."""

    code = "nifi_timeout"
    status = 504
    exit_code = ExitCode.TEMPORARY_FAILURE
    title = "NiFi took too long"


class NotDeployedError(NiFiError):
    """The process group is not in this NiFi."""

    code = "nifi_not_deployed"
    status = 404
    title = "The flow is not deployed"


class InvalidFlowError(NiFiError):
    """A processor or a service of the deployed flow is invalid; the text names each with NiFi's reason."""

    code = "nifi_flow_invalid"
    status = 422
    title = "The flow is invalid"


class MissingParameterError(NiFiError):
    """Parameters that the flow refers to have no value. NiFi itself shows such a flow as valid."""

    code = "nifi_parameter_missing"
    status = 422
    title = "A parameter has no value"


class FlowFileError(NiFiError):
    """The flow definition file cannot be used."""

    code = "nifi_flow_file"
    status = 422
    title = "The flow definition cannot be used"


class EnvironmentFileError(NiFiError):
    """The file of an environment's parameters cannot be used."""

    code = "nifi_environment_file"
    status = 422
    title = "The environment cannot be used"
