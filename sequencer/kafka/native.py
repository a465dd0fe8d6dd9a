"""ctypes bindings to the part of librdkafka's public C API (rdkafka.h) that a producer of batches uses.

``confluent_kafka`` ships the library, and every other call goes through that package. Its producer converts each record
to a dict, looks up six keys in it, and takes the interpreter's lock for each acknowledgement: five times the work of
sending a record. Here a batch of records is one call, and so are the acknowledgements of a request
(docs/adr/0016-librdkafka-directly.md).
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Mapping
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p
from functools import cache
from types import SimpleNamespace
from typing import Any

import confluent_kafka.cimpl
from confluent_kafka import KafkaError, KafkaException

from contracts.errors import SettingsError

_log = logging.getLogger(__name__)
ERROR_TEXT_BYTES = 512
CONF_OK = 0
PRODUCER = 0
COPY_PAYLOAD = 0x2
PURGE_QUEUE, PURGE_IN_FLIGHT = 0x1, 0x2
EVENT_DELIVERY, EVENT_LOG, EVENT_ERROR, EVENT_STATISTICS = 0x1, 0x4, 0x8, 0x40


class NativeMessage(ctypes.Structure):
    """``rd_kafka_message_t``. Pointers are declared as numbers, because numpy fills and reads them."""

    _fields_ = (
        ("err", c_int),
        ("topic", c_size_t),
        ("partition", c_int32),
        ("payload", c_size_t),
        ("size", c_size_t),
        ("key", c_size_t),
        ("key_size", c_size_t),
        ("offset", c_int64),
        ("opaque", c_size_t),
    )


TokenRefresh = ctypes.CFUNCTYPE(None, c_void_p, c_char_p, c_void_p)
"""``void (*)(rd_kafka_t *rk, const char *oauthbearer_config, void *opaque)``."""

_MINIMUM_VERSION, _RECOMMENDED_VERSION = 0x02000000, 0x02030000
_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "version": (c_int, ()),
    "conf_new": (c_void_p, ()),
    "conf_destroy": (None, (c_void_p,)),
    "conf_set": (c_int, (c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)),
    "conf_set_events": (None, (c_void_p, c_int)),
    "conf_set_oauthbearer_token_refresh_cb": (None, (c_void_p, TokenRefresh)),
    "conf_enable_sasl_queue": (None, (c_void_p, c_int)),
    "sasl_background_callbacks_enable": (c_void_p, (c_void_p,)),
    "oauthbearer_set_token": (
        c_int,
        (c_void_p, c_char_p, c_int64, c_char_p, POINTER(c_char_p), c_size_t, c_char_p, c_size_t),
    ),
    "oauthbearer_set_token_failure": (c_int, (c_void_p, c_char_p)),
    "new": (c_void_p, (c_int, c_void_p, c_char_p, c_size_t)),
    "destroy": (None, (c_void_p,)),
    "set_log_queue": (c_int, (c_void_p, c_void_p)),
    "topic_new": (c_void_p, (c_void_p, c_char_p, c_void_p)),
    "topic_destroy": (None, (c_void_p,)),
    "produce_batch": (c_int, (c_void_p, c_int32, c_int, c_void_p, c_int)),
    "purge": (c_int, (c_void_p, c_int)),
    "flush": (c_int, (c_void_p, c_int)),
    "queue_get_main": (c_void_p, (c_void_p,)),
    "queue_destroy": (None, (c_void_p,)),
    "queue_poll": (c_void_p, (c_void_p, c_int)),
    "event_type": (c_int, (c_void_p,)),
    "event_destroy": (None, (c_void_p,)),
    "event_message_count": (c_size_t, (c_void_p,)),
    "event_message_array": (c_size_t, (c_void_p, POINTER(POINTER(NativeMessage)), c_size_t)),
    "event_error": (c_int, (c_void_p,)),
    "event_error_string": (c_char_p, (c_void_p,)),
    "event_log": (c_int, (c_void_p, POINTER(c_char_p), POINTER(c_char_p), POINTER(c_int))),
    "event_stats": (c_char_p, (c_void_p,)),
    "fatal_error": (c_int, (c_void_p, c_char_p, c_size_t)),
    "err2str": (c_char_p, (c_int,)),
    "init_transactions": (c_void_p, (c_void_p, c_int)),
    "begin_transaction": (c_void_p, (c_void_p,)),
    "commit_transaction": (c_void_p, (c_void_p, c_int)),
    "error_code": (c_int, (c_void_p,)),
    "error_string": (c_char_p, (c_void_p,)),
    "error_is_fatal": (c_int, (c_void_p,)),
    "error_is_retriable": (c_int, (c_void_p,)),
    "error_txn_requires_abort": (c_int, (c_void_p,)),
    "error_destroy": (None, (c_void_p,)),
}


@cache
def load_library(path: str = "") -> SimpleNamespace:
    """Return the functions of a build of librdkafka, each under its name without ``rd_kafka_``.

    Args:
        path: path of the library; empty for the one that ``confluent_kafka`` ships.

    Raises:
        SettingsError: there is no usable library at ``path``, or it is too old.
    """
    try:
        functions = _functions(path)
        version = functions.version()
    except (OSError, AttributeError) as error:
        raise SettingsError(f"LIBRDKAFKA: {path} is not a usable librdkafka: {error}") from error
    if version < _MINIMUM_VERSION:
        raise SettingsError(f"LIBRDKAFKA: {path} is older than 2.0")
    if version < _RECOMMENDED_VERSION:
        _log.warning(
            "LIBRDKAFKA is older than 2.3: it cannot re-authenticate (2.2), and an idempotent producer may fail with a "
            "fatal error after a timeout (2.3)",
            extra={"path": path},
        )
    return functions


def _functions(path: str) -> SimpleNamespace:
    # Symbols of the libraries that the extension module is linked with are found through it as well.
    loaded = ctypes.CDLL(path or confluent_kafka.cimpl.__file__)
    functions = SimpleNamespace()
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(loaded, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
        setattr(functions, name, function)
    return functions


def code_error(rd: SimpleNamespace, code: int) -> KafkaError:
    """Return the error that librdkafka denotes by ``code``."""
    return KafkaError(code, text_of(rd.err2str(code)))


def raise_error(rd: SimpleNamespace, error: int | None) -> None:
    """Raise the ``rd_kafka_error_t`` at an address; None means no error.

    Raises:
        KafkaException: always, if there is an error.
    """
    if error is None:
        return
    try:
        raise KafkaException(
            KafkaError(
                rd.error_code(error),
                text_of(rd.error_string(error)),
                fatal=bool(rd.error_is_fatal(error)),
                retriable=bool(rd.error_is_retriable(error)),
                txn_requires_abort=bool(rd.error_txn_requires_abort(error)),
            )
        )
    finally:
        rd.error_destroy(error)


def text_of(value: bytes | None) -> str:
    """Decode a C string; None is empty."""
    return (value or b"").decode(errors="replace")


def new_conf(rd: SimpleNamespace, config: Mapping[str, object]) -> int:
    """Return the address of an ``rd_kafka_conf_t`` with these options.

    Raises:
        KafkaException: an option does not exist, or its value is invalid.
    """
    conf: int = rd.conf_new()
    text = ctypes.create_string_buffer(ERROR_TEXT_BYTES)
    for name, value in config.items():
        encoded = (str(value).lower() if isinstance(value, bool) else str(value)).encode()
        if rd.conf_set(conf, name.encode(), encoded, text, len(text)) != CONF_OK:
            rd.conf_destroy(conf)
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, text_of(text.value)))
    return conf
