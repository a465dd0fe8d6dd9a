"""The allow-list as Airflow holds it."""

from __future__ import annotations

from dags.modules.settings import VARIABLE_ALLOWED_HOSTS
from dags.modules.validators import AllowedHosts, parse_allowed_hosts


def load_allowed_hosts() -> AllowedHosts:
    """Read the Variable.

    Raises:
        ConfigurationError: it is not set, or has another form.
    """
    from airflow.sdk import Variable

    return parse_allowed_hosts(Variable.get(VARIABLE_ALLOWED_HOSTS, default=None))
