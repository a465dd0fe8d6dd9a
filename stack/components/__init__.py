"""Components of the local stack, one module each."""

from __future__ import annotations

from collections.abc import Callable

from stack.component import Component, StackContext


def component_classes() -> list[Callable[[StackContext], Component]]:
    """Return the class of each component, in an order in which each follows the components that it waits for."""
    from stack.components.airflow import Airflow
    from stack.components.kafka import Kafka
    from stack.components.minio import Minio
    from stack.components.monitoring import Monitoring
    from stack.components.nifi import NiFi
    from stack.components.uploader import Uploader

    return [Minio, Kafka, Monitoring, Uploader, NiFi, Airflow]
