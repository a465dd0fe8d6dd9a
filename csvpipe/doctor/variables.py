"""Variables by which the checks know what there is to check."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from contracts.settings import EnvironmentSettings, reading_settings


class ServiceVariables(EnvironmentSettings):
    """Where the services are, as the programs that use them are told. An empty value means: not here."""

    model_config = SettingsConfigDict(env_file=".env")

    kafka_broker: str = ""
    kafka_bootstrap_servers: str = ""
    kafka_topic: str = ""
    temp_dir: str = ""
    airflow_conn_airflow_api: SecretStr | None = None


def load_variables() -> ServiceVariables:
    """Return the variables of the environment and ``.env``.

    Raises:
        SettingsError: one is not readable.
    """
    with reading_settings(ServiceVariables):
        return ServiceVariables()
