"""A Kafka producer for one partition that takes batches, and is told of acknowledgements by the request."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException

from sequencer.kafka import native
from sequencer.kafka.connection import CLIENT_LOG
from sequencer.kafka.native import NativeMessage, TokenRefresh, code_error, library, new_conf, raise_error, text_of
from sequencer.model.records import Records

_log = logging.getLogger(__name__)
_EVENTS = native.EVENT_DELIVERY | native.EVENT_LOG | native.EVENT_ERROR | native.EVENT_STATISTICS
_FLUSH_CALL_MS = 1
_SYSLOG_WARNING, _SYSLOG_INFO = 4, 6
_MESSAGE = np.dtype(NativeMessage)
_MessagePointer = ctypes.POINTER(NativeMessage)

OnDelivered = Callable[[KafkaError | None, int, int], None]
"""Told the error or None, how many records it is about, and the offset of the first of them."""


class BatchProducer:
    """Not for several threads. What it is told comes during :meth:`poll`, in the order in which records were sent.

    Args:
        config: librdkafka's configuration; ``oauth_cb`` as ``confluent_kafka`` has it.
        topic, partition: where to.
        on_delivered: told of each request that Kafka has answered, or of records that were given up.
        on_error: told of errors; most of them librdkafka goes on after.
        on_statistics: gets librdkafka's statistics, as JSON.

    Raises:
        KafkaException: the configuration is not valid.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        topic: str,
        partition: int,
        on_delivered: OnDelivered,
        on_error: Callable[[KafkaError], None],
        on_statistics: Callable[[str], None],
    ) -> None:
        self._rd = library()
        self._partition = partition
        self._on_delivered = on_delivered
        self._on_error = on_error
        self._on_statistics = on_statistics
        self._handle: int | None = None
        options = {name: value for name, value in config.items() if not callable(value)}
        conf = new_conf({**options, "log.queue": True})
        self._rd.conf_set_events(conf, _EVENTS)
        self._refresh = TokenRefresh(_refreshing(config["oauth_cb"])) if "oauth_cb" in config else None
        if self._refresh is not None:
            self._rd.conf_set_oauthbearer_token_refresh_cb(conf, self._refresh)
            self._rd.conf_enable_sasl_queue(conf, 1)
        text = ctypes.create_string_buffer(native.ERROR_TEXT_BYTES)
        self._handle = self._rd.new(native.PRODUCER, conf, text, len(text))
        if self._handle is None:
            self._rd.conf_destroy(conf)
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, text_of(text.value)))
        self._topic = self._rd.topic_new(self._handle, topic.encode(), None)
        self._queue = self._rd.queue_get_main(self._handle)
        self._rd.set_log_queue(self._handle, None)
        if self._refresh is not None:
            raise_error(self._rd.sasl_background_callbacks_enable(self._handle))

    def produce(self, records: Records) -> None:
        """Queue records.

        Raises:
            KafkaException: not all did: the first error.
        """
        messages = np.zeros(len(records), dtype=_MESSAGE)
        messages["payload"] = records.addresses
        messages["size"] = records.sizes
        queued = self._rd.produce_batch(
            self._topic, self._partition, native.COPY_PAYLOAD, messages.ctypes.data, len(records)
        )
        if queued != len(records):
            raise KafkaException(code_error(int(messages["err"][np.flatnonzero(messages["err"])[0]])))

    def poll(self, timeout_s: float) -> None:
        """Serve what has come, waiting up to ``timeout_s`` for the first."""
        timeout_ms = round(timeout_s * 1000)
        while self._handle is not None and (event := self._rd.queue_poll(self._queue, timeout_ms)) is not None:
            timeout_ms = 0
            try:
                self._serve(event)
            finally:
                self._rd.event_destroy(event)

    def flush_soon(self) -> None:
        """Let what is queued be sent without waiting for more to come with it."""
        if self._handle is not None:
            self._rd.flush(self._handle, _FLUSH_CALL_MS)  # does not serve events, and so always takes its time

    def purge(self) -> None:
        """Throw away what was not sent, and give up what is on its way; :meth:`poll` tells of it."""
        if self._handle is not None:
            self._rd.purge(self._handle, native.PURGE_QUEUE | native.PURGE_IN_FLIGHT)

    def close(self) -> None:
        """End the client's threads. Nothing is sent any more, and nothing told."""
        if self._handle is not None:
            self.purge()
            handle, self._handle = self._handle, None
            self._rd.queue_destroy(self._queue)
            self._rd.topic_destroy(self._topic)
            self._rd.destroy(handle)

    def init_transactions(self, timeout_s: float) -> None:
        """Fence predecessors off, and end their transactions.

        Raises:
            KafkaException: it was not possible.
        """
        raise_error(self._rd.init_transactions(self._handle, round(timeout_s * 1000)))

    def begin_transaction(self) -> None:
        """Begin a transaction.

        Raises:
            KafkaException: it was not possible.
        """
        raise_error(self._rd.begin_transaction(self._handle))

    def commit_transaction(self, timeout_s: float) -> None:
        """Commit the open transaction, whose records were all acknowledged.

        Raises:
            KafkaException: it was not possible.
        """
        raise_error(self._rd.commit_transaction(self._handle, round(timeout_s * 1000)))

    def _serve(self, event: int) -> None:
        match self._rd.event_type(event):
            case native.EVENT_DELIVERY:
                self._serve_delivery(event)
            case native.EVENT_ERROR:
                self._on_error(self._error_of(event))
            case native.EVENT_STATISTICS:
                self._on_statistics(text_of(self._rd.event_stats(event)))
            case native.EVENT_LOG:
                self._serve_log(event)

    def _serve_delivery(self, event: int) -> None:
        """Tell of the records of one request: they are acknowledged, or not, as a whole."""
        count = self._rd.event_message_count(event)
        messages = (_MessagePointer * count)()
        got = self._rd.event_message_array(event, messages, count)
        first, last = messages[0].contents, messages[got - 1].contents
        code = self._cause(messages, got) if first.err or last.err else 0
        if not code and last.offset - first.offset != got - 1:
            code = KafkaError._BAD_MSG
        self._on_delivered(code_error(code) if code else None, got, first.offset)

    @staticmethod
    def _cause(messages: Any, count: int) -> int:  # noqa: ANN401  an array of ctypes
        """Return the error of a request that has failed.

        Kafka may name the record at fault (KIP-467). The others then have an error that names none, the first of them
        as well.
        """
        codes = {messages[at].contents.err for at in range(count)} - {0}
        return next(iter(codes - {KafkaError._INVALID_DIFFERENT_RECORD}), KafkaError._INVALID_DIFFERENT_RECORD)

    def _error_of(self, event: int) -> KafkaError:
        code = self._rd.event_error(event)
        if code != KafkaError._FATAL:
            return KafkaError(code, text_of(self._rd.event_error_string(event)))
        text = ctypes.create_string_buffer(native.ERROR_TEXT_BYTES)
        code = self._rd.fatal_error(self._handle, text, len(text))
        return KafkaError(code, text_of(text.value), fatal=True)

    def _serve_log(self, event: int) -> None:
        facility, text, level = ctypes.c_char_p(), ctypes.c_char_p(), ctypes.c_int()
        if self._rd.event_log(event, facility, text, level) == 0:
            CLIENT_LOG.log(_level(level.value), "%s: %s", text_of(facility.value), text_of(text.value))


def _level(syslog: int) -> int:
    """Return the level of ``logging`` for one of syslog, where fewer is worse."""
    if syslog < _SYSLOG_WARNING:
        return logging.ERROR
    if syslog == _SYSLOG_WARNING:
        return logging.WARNING
    if syslog <= _SYSLOG_INFO:
        return logging.INFO
    return logging.DEBUG


def _refreshing(oauth_cb: Callable[[str], tuple[Any, ...]]) -> Callable[[int, bytes | None, int | None], None]:
    """Return what librdkafka calls, in a thread of its own, when it wants a token."""

    def refresh(handle: int, config: bytes | None, _opaque: int | None) -> None:
        rd = library()
        try:
            token, expires_s, *rest = oauth_cb(text_of(config))
        except Exception as error:  # noqa: BLE001  logged, and told to librdkafka, which asks again
            _log.exception("there is no token for Kafka")
            rd.oauthbearer_set_token_failure(handle, str(error).encode()[: native.ERROR_TEXT_BYTES])
            return
        principal = str(rest[0]) if rest else ""
        text = ctypes.create_string_buffer(native.ERROR_TEXT_BYTES)
        arguments = (token.encode(), round(expires_s * 1000), principal.encode(), None, 0, text, len(text))
        if rd.oauthbearer_set_token(handle, *arguments):
            rd.oauthbearer_set_token_failure(handle, text.value)

    return refresh
