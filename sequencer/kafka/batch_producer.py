"""Kafka producer for one partition that accepts batches and reports acknowledgements per request."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException

from sequencer.kafka import native
from sequencer.kafka.client import CLIENT_LOG, ClientConfig
from sequencer.kafka.native import NativeMessage, TokenRefresh, code_error, load_library, new_conf, raise_error, text_of
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records

_log = logging.getLogger(__name__)
_EVENTS = native.EVENT_DELIVERY | native.EVENT_LOG | native.EVENT_ERROR | native.EVENT_STATISTICS
_FLUSH_CALL_MS = 1
_SYSLOG_WARNING, _SYSLOG_INFO = 4, 6
_MESSAGE = np.dtype(NativeMessage)
_MessagePointer = ctypes.POINTER(NativeMessage)

OnDelivered = Callable[[KafkaError | None, int, int], None]
"""Called with the error or None, the number of records, and the offset of the first one."""


class BatchProducer:
    """Sends batches of records. Not thread-safe.

    Callbacks run during :meth:`poll`, in the order in which the records were sent.

    Args:
        config: librdkafka's configuration; ``oauth_cb`` has the signature of ``confluent_kafka``.
        partition: the partition to send to.
        library: path of the librdkafka to use; empty for the one that ``confluent_kafka`` ships.
        on_delivered: called for each request that Kafka has answered, and for records that were purged.
        on_error: called with errors; librdkafka recovers from most of them.
        on_statistics: called with librdkafka's statistics, as JSON.

    Raises:
        KafkaException: the configuration is not valid.
        SettingsError: the library cannot be used.
    """

    def __init__(
        self,
        config: ClientConfig,
        partition: PartitionRef,
        *,
        library: str = "",
        on_delivered: OnDelivered,
        on_error: Callable[[KafkaError], None],
        on_statistics: Callable[[str], None],
    ) -> None:
        self._rd = load_library(library)
        self._partition = partition.partition
        self._on_delivered = on_delivered
        self._on_error = on_error
        self._on_statistics = on_statistics
        self._handle: int | None = None
        options = {name: value for name, value in config.items() if not callable(value)}
        conf = new_conf(self._rd, {**options, "log.queue": True})
        self._rd.conf_set_events(conf, _EVENTS)
        self._refresh = TokenRefresh(_token_refresh(self._rd, config["oauth_cb"])) if "oauth_cb" in config else None
        if self._refresh is not None:
            self._rd.conf_set_oauthbearer_token_refresh_cb(conf, self._refresh)
            self._rd.conf_enable_sasl_queue(conf, 1)
        text = ctypes.create_string_buffer(native.ERROR_TEXT_BYTES)
        self._handle = self._rd.new(native.PRODUCER, conf, text, len(text))
        if self._handle is None:
            self._rd.conf_destroy(conf)
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, text_of(text.value)))
        self._topic = self._rd.topic_new(self._handle, partition.topic.encode(), None)
        self._queue = self._rd.queue_get_main(self._handle)
        self._rd.set_log_queue(self._handle, None)
        if self._refresh is not None:
            raise_error(self._rd, self._rd.sasl_background_callbacks_enable(self._handle))

    def produce(self, records: Records) -> None:
        """Queue records.

        Raises:
            KafkaException: not all records could be queued; the first error.
        """
        messages = np.zeros(len(records), dtype=_MESSAGE)
        messages["payload"] = records.addresses
        messages["size"] = records.sizes
        queued = self._rd.produce_batch(
            self._topic, self._partition, native.COPY_PAYLOAD, messages.ctypes.data, len(records)
        )
        if queued != len(records):
            raise KafkaException(code_error(self._rd, int(messages["err"][np.flatnonzero(messages["err"])[0]])))

    def poll(self, timeout_s: float) -> None:
        """Handle pending events, waiting up to ``timeout_s`` for the first one."""
        timeout_ms = round(timeout_s * 1000)
        while self._handle is not None and (event := self._rd.queue_poll(self._queue, timeout_ms)) is not None:
            timeout_ms = 0
            try:
                self._serve(event)
            finally:
                self._rd.event_destroy(event)

    def flush_soon(self) -> None:
        """Send the queued records without lingering for more."""
        if self._handle is not None:
            self._rd.flush(self._handle, _FLUSH_CALL_MS)  # handles no events, so it always takes this long

    def purge(self) -> None:
        """Drop the queued records and abandon those in flight; :meth:`poll` reports them as failed."""
        if self._handle is not None:
            self._rd.purge(self._handle, native.PURGE_QUEUE | native.PURGE_IN_FLIGHT)

    def close(self) -> None:
        """Stop the client's threads. Nothing more is sent or reported."""
        if self._handle is not None:
            self.purge()
            handle, self._handle = self._handle, None
            self._rd.queue_destroy(self._queue)
            self._rd.topic_destroy(self._topic)
            self._rd.destroy(handle)

    def init_transactions(self, timeout_s: float) -> None:
        """Fence predecessors and end their transactions.

        Raises:
            KafkaException: Kafka did not confirm it.
        """
        raise_error(self._rd, self._rd.init_transactions(self._handle, round(timeout_s * 1000)))

    def begin_transaction(self) -> None:
        """Begin a transaction.

        Raises:
            KafkaException: the client refuses.
        """
        raise_error(self._rd, self._rd.begin_transaction(self._handle))

    def commit_transaction(self, timeout_s: float) -> None:
        """Commit the open transaction, whose records are all acknowledged.

        Raises:
            KafkaException: Kafka did not confirm it.
        """
        raise_error(self._rd, self._rd.commit_transaction(self._handle, round(timeout_s * 1000)))

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
        """Report the records of one request, which are acknowledged, or not, as a whole."""
        count = self._rd.event_message_count(event)
        messages = (_MessagePointer * count)()
        got = self._rd.event_message_array(event, messages, count)
        first, last = messages[0].contents, messages[got - 1].contents
        code = self._cause(messages, got) if first.err or last.err else 0
        if not code and last.offset - first.offset != got - 1:
            code = KafkaError._BAD_MSG
        self._on_delivered(code_error(self._rd, code) if code else None, got, first.offset)

    @staticmethod
    def _cause(messages: Any, count: int) -> int:  # noqa: ANN401  an array of ctypes
        """Return the error code of a failed request.

        Kafka may name the record that caused it (KIP-467). All other records, even the first one, then carry an
        unspecific error.
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
    """Return the ``logging`` level for a syslog level, where a lower number is more severe."""
    if syslog < _SYSLOG_WARNING:
        return logging.ERROR
    if syslog == _SYSLOG_WARNING:
        return logging.WARNING
    if syslog <= _SYSLOG_INFO:
        return logging.INFO
    return logging.DEBUG


def _token_refresh(
    rd: SimpleNamespace, oauth_cb: Callable[[str], tuple[Any, ...]]
) -> Callable[[int, bytes | None, int | None], None]:
    """Return the callback that librdkafka calls in a thread of its own when it needs a token."""

    def refresh(handle: int, config: bytes | None, _opaque: int | None) -> None:
        try:
            token, expires_s, *rest = oauth_cb(text_of(config))
        except Exception as error:  # noqa: BLE001  logged, and reported to librdkafka, which retries
            _log.exception("Cannot obtain an OAuth token for Kafka")
            rd.oauthbearer_set_token_failure(handle, str(error).encode()[: native.ERROR_TEXT_BYTES])
            return
        principal = str(rest[0]) if rest else ""
        text = ctypes.create_string_buffer(native.ERROR_TEXT_BYTES)
        arguments = (token.encode(), round(expires_s * 1000), principal.encode(), None, 0, text, len(text))
        if rd.oauthbearer_set_token(handle, *arguments):
            rd.oauthbearer_set_token_failure(handle, text.value)

    return refresh
