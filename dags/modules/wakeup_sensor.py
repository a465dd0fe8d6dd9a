"""The sensor that waits for the next message: Airflow's own, with two mends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.apache.kafka.sensors.kafka import AwaitMessageSensor

from dags.modules.kafka_listener import load_kafka_config

if TYPE_CHECKING:
    from airflow.sdk import Context


class WakeUpSensor(AwaitMessageSensor):
    """Refuses a connection that would commit by itself, and ends a long wait as skipped instead of failed."""

    def execute(self, context: Context) -> object:
        """Check the connection, then wait.

        Raises:
            ConfigurationError: the connection would lose messages.
        """
        load_kafka_config(self.kafka_config_id)
        return super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> object:
        """Resume; after ``timeout`` without a message the run is skipped, and the next one waits on."""
        from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            raise AirflowSkipException("no message came; the next run waits on") from error
