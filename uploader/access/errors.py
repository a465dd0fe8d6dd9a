"""The errors of keys, permissions and signed addresses."""

from __future__ import annotations

from contracts.errors import CsvPipeError


class UnauthenticatedError(CsvPipeError):
    """The request has no key, or one that is not valid."""

    code = "unauthenticated"
    status = 401
    title = "Key required"


class PermissionDeniedError(CsvPipeError):
    """The key lacks the ``permission``, or has it for other datasets only."""

    code = "permission_denied"
    status = 403
    title = "Permission denied"


class CrossOriginError(CsvPipeError):
    """A page of another site makes a browser sign in or out here."""

    code = "cross_origin"
    status = 403
    title = "Request of another site"


class KeyNotFoundError(CsvPipeError):
    """There is no key with this id."""

    code = "key_not_found"
    status = 404
    title = "Key not found"


class KeyExistsError(CsvPipeError):
    """There is another key with the id of the given one, or the same key with other rights."""

    code = "key_exists"
    status = 409
    title = "Key exists"


class KeyRevokedError(CsvPipeError):
    """The key is revoked or has expired, so it cannot get a new secret."""

    code = "key_revoked"
    status = 409
    title = "Key revoked"


class InvalidSignatureError(CsvPipeError):
    """The signature in the address of a chunk was not made for it, or with a key that is no longer valid."""

    code = "invalid_signature"
    status = 403
    title = "Invalid signature"


class AddressExpiredError(CsvPipeError):
    """The signed address of a chunk has expired; a new announcement has a new one."""

    code = "address_expired"
    status = 403
    title = "Address expired"
