"""The errors of resumable uploads."""

from __future__ import annotations

from contracts.errors import CsvPipeError


class TusVersionError(CsvPipeError):
    """The request of a resumable upload is not of the supported version of the tus protocol."""

    code = "tus_version_not_supported"
    status = 412
    title = "Version of tus not supported"


class TusRequestError(CsvPipeError):
    """A header of a resumable upload is missing or malformed."""

    code = "invalid_tus_request"
    status = 400
    title = "Invalid tus request"


class OffsetMismatchError(CsvPipeError):
    """The bytes do not follow those received so far, whose number is ``offset``."""

    code = "offset_mismatch"
    status = 409
    title = "Wrong offset"


class UploadSupersededError(CsvPipeError):
    """A newer request for the same resumable upload has ended this one."""

    code = "upload_superseded"
    status = 423
    title = "Superseded by a newer request"


class ChecksumMismatchError(CsvPipeError):
    """The bytes differ from their ``Upload-Checksum`` or ``Content-Digest``; none of them was kept."""

    code = "checksum_mismatch"
    status = 460
    title = "Checksum mismatch"


class ResumableUploadGoneError(CsvPipeError):
    """The resumable upload was removed or has expired."""

    code = "resumable_upload_gone"
    status = 410
    title = "Resumable upload gone"


class ResumableUploadRefusedError(CsvPipeError):
    """The resumable upload was refused before; ``problem`` is what it was refused with."""

    code = "resumable_upload_refused"
    status = 410
    title = "Resumable upload refused"


class ResumableUploadUnfinishedError(CsvPipeError):
    """The resumable upload is not an upload yet: bytes are missing, or its last request is still at work."""

    code = "resumable_upload_unfinished"
    status = 409
    title = "Resumable upload not finished"
