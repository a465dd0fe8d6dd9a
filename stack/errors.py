"""Errors of the local stack."""

from __future__ import annotations

from contracts.errors import CsvPipeError


class StackError(CsvPipeError):
    """Base class of the local stack's errors."""

    code = "stack_error"
    title = "Local stack error"
    has_lines = True


class MissingToolError(StackError):
    """A program that the stack needs is not installed, or is too old."""

    code = "missing_tool"
    title = "Missing tool"


class PrepareError(StackError):
    """A download or a build for the stack failed."""

    code = "stack_prepare_failed"
    title = "Preparation failed"


class ProcessDiedError(StackError):
    """A process of the stack ended unexpectedly. The message contains the end of its log."""

    code = "process_died"
    title = "Process died"


class NotReadyError(StackError):
    """A process of the stack is running but not ready in time. The message contains the end of its log."""

    code = "process_not_ready"
    title = "Process not ready"


class PortTakenError(StackError):
    """A port that the stack needs is used by another program."""

    code = "port_taken"
    title = "Port taken"


class StackBusyError(StackError):
    """Another command is starting or stopping the same stack."""

    code = "stack_busy"
    title = "Stack busy"


class StackModeError(StackError):
    """The stack was started with TLS and is to run without it, or the other way round."""

    code = "stack_mode"
    title = "Stack runs in the other mode"


class UnknownNameError(StackError):
    """There is no component or process of that name."""

    code = "unknown_name"
    title = "Unknown name"
