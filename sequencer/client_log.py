"""Where Kafka's client logs: without it, it writes to stderr by itself."""

from __future__ import annotations

import logging

CLIENT_LOG = logging.getLogger("librdkafka")
