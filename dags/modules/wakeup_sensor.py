"""Sensor that waits for the next Kafka message: Airflow's own, with two corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.apache.kafka.sensors.kafka import AwaitMessageSensor

from dags.modules.kafka_listener import load_kafka_config

if TYPE_CHECKING:
    from airflow.sdk import Context


class WakeUpSensor(AwaitMessageSensor):
    """Refuses a connection with auto-commit, and ends as skipped instead of failed after a long wait."""

    def execute(self, context: Context) -> object:
        """Check the connection, then wait.

        Raises:
            ConfigurationError: The connection would lose messages.
        """
        load_kafka_config(self.kafka_config_id)
        return super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> object:
        """Resume. After ``timeout`` without a message, skip the run; the next run continues to wait."""
        from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            raise AirflowSkipException("no message arrived; the next run continues to wait") from error
