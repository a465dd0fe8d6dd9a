"""What can go wrong with the local stack, said so that one can act on it."""

from __future__ import annotations

from contracts.errors import CsvPipeError


class StackError(CsvPipeError):
    """Base of the local stack's errors."""

    code = "stack_error"
    title = "Local stack"
    has_lines = True


class MissingToolError(StackError):
    """A program that the stack needs is not on this machine, or is too old."""

    code = "missing_tool"
    title = "Missing tool"


class PrepareError(StackError):
    """A download or a build for the stack failed."""

    code = "stack_prepare_failed"
    title = "Preparation failed"


class ProcessDiedError(StackError):
    """A process of the stack ended by itself; the message holds the end of its log."""

    code = "process_died"
    title = "Process died"


class NotReadyError(StackError):
    """A process of the stack runs, but did not become ready in time; the message holds the end of its log."""

    code = "process_not_ready"
    title = "Process not ready"


class PortTakenError(StackError):
    """A port that the stack needs is held by a process that is not its own."""

    code = "port_taken"
    title = "Port taken"


class StackBusyError(StackError):
    """Another command starts or stops the same stack at this moment."""

    code = "stack_busy"
    title = "Stack busy"


class UnknownNameError(StackError):
    """No component or process of that name."""

    code = "unknown_name"
    title = "Unknown name"
