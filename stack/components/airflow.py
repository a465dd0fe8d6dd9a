"""Airflow component: four processes on SQLite with the LocalExecutor, from this project's environment."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from importlib.metadata import version as package_version
from pathlib import Path

from contracts.names import DAG_CHUNK_INGESTION, DAG_LISTENER
from stack.airflow_api import ADMIN, AirflowApi, AirflowApiError
from stack.airflow_connections import airflow_connections
from stack.component import REPOSITORY, ProcessSpec, Report, StackContext
from stack.dist import build_once, run_tool
from stack.errors import NotReadyError
from stack.private_file import write_private
from stack.probes import http_ok

POOL = "nifi_monitoring"
_POOL_SLOTS = 128
_DAGS = frozenset({DAG_LISTENER, DAG_CHUNK_INGESTION})
_PARTS = {"dag-processor": "dag_processor", "triggerer": "triggerer", "scheduler": "scheduler"}
_SERVICES_OF_RUNS = ("nifi", "minio", "uploader")
"""Only the scheduler waits for these services: a run that misses one would be retried only after minutes."""
_DAGS_DEADLINE_S = 120
_POLL_S = 1.0
_LOCK_TIMEOUT_S = 15
"""How long a process waits for another one's transaction in SQLite. With its default of 5 s, a busy machine ends the
scheduler: "database is locked". Clients of the API wait 20 s for an answer."""


class Airflow:
    """api-server, scheduler, dag-processor and triggerer, with the pipeline's DAGs, pool and connections."""

    name = "airflow"
    needs: tuple[str, ...] = ("kafka",)

    def __init__(self, context: StackContext) -> None:
        self._context = context
        self._template = f"airflow-db-{package_version('apache-airflow')}"

    @property
    def url(self) -> str:
        """Return the address of the UI and the API."""
        return self._context.url(self._context.settings.airflow_port)

    @property
    def api(self) -> AirflowApi:
        """Return a client of the API."""
        password = self._context.secrets.airflow_admin_password if self._context.secure else None
        return AirflowApi(self.url, password=password, ca_file=self._context.ca_file)

    def prepare(self, report: Report) -> None:
        """Create a migrated database once. Each stack starts with a copy of it."""

        def migrate(into: Path) -> None:
            report("creating the database")
            argv = [sys.executable, "-m", "airflow", "db", "migrate"]
            run_tool(argv, cwd=into, env=self._core(into), report=report, what="airflow db migrate")
            (into / "logs").rename(into / ".logs")

        build_once(self._context.dist, self._template, self._template, migrate)

    def configure(self) -> None:
        """Copy the database if it is missing, and write the password. All other configuration is in the environment."""
        database = self._home / "airflow.db"
        if not database.exists():
            fresh = database.with_suffix(".new")
            shutil.copyfile(self._context.dist / self._template / "airflow.db", fresh)
            fresh.rename(database)
        if self._context.secure:
            password = self._context.secrets.airflow_admin_password.get_secret_value()
            write_private(self._passwords, json.dumps({ADMIN: password}))

    def processes(self) -> list[ProcessSpec]:
        """Return the four processes. The scheduler is last, as it immediately starts runs for messages in Kafka."""
        settings = self._context.settings
        ports = {
            "api-server": (settings.airflow_port,),
            "scheduler": (settings.airflow_worker_log_port,),
            "triggerer": (settings.airflow_trigger_log_port,),
        }
        environment = self._environment()
        return [
            ProcessSpec(
                name=f"airflow-{part}",
                argv=[sys.executable, "-m", "airflow", part],
                env=environment,
                cwd=self._home,
                ready=self._probe(part),
                host=settings.host,
                ports=ports.get(part, ()),
                after=_SERVICES_OF_RUNS if part == "scheduler" else (),
                deadline_s=180,
                stop_timeout_s=30,
            )
            for part in ("api-server", *_PARTS)
        ]

    def after_start(self, report: Report) -> None:
        """Create the pool, and wait until the DAGs are parsed."""
        self.api.set_pool(POOL, _POOL_SLOTS, "Landing monitors of chunk runs, including deferred ones.")
        deadline = time.monotonic() + _DAGS_DEADLINE_S
        while missing := self._missing_dags():
            if time.monotonic() > deadline:
                raise NotReadyError(f"airflow: {missing} (after {_DAGS_DEADLINE_S} s)")
            time.sleep(_POLL_S)
        report(f"DAGs {', '.join(sorted(_DAGS))}")

    def addresses(self) -> dict[str, str]:
        """Return the address of the UI."""
        return {"UI": self.url}

    def description(self) -> str:
        """Return the version and the mode."""
        secrets_file = self._context.root / "secrets.json"
        users = f"user {ADMIN}, password in {secrets_file}" if self._context.secure else "all users are admins"
        return f"Airflow {package_version('apache-airflow')}, SQLite, LocalExecutor, {users}"

    @property
    def _home(self) -> Path:
        return self._context.data_dir(self.name)

    def _probe(self, part: str) -> Callable[[], str | None]:
        if part == "api-server":
            return lambda: http_ok(f"{self.url}/api/v2/monitor/health", ca_file=self._context.ca_file)
        return lambda: self._missing_heartbeat(part)

    def _missing_heartbeat(self, part: str) -> str | None:
        """Check for a heartbeat since the start. An earlier one is from the previous process."""
        started_at = self._context.process(self.name, f"airflow-{part}").started_at
        seen = self.api.last_heartbeat(_PARTS[part])
        return None if seen and started_at and seen > started_at else "no heartbeat yet"

    def _missing_dags(self) -> str | None:
        try:
            faults = self.api.import_errors()
            missing = _DAGS - self.api.dag_ids()
        except AirflowApiError as error:
            return error.detail
        if faults:
            return "DAG files that cannot be imported:\n" + "\n".join(faults)
        return f"not parsed yet: {', '.join(sorted(missing))}" if missing else None

    def _core(self, home: Path) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": self._context.secrets.airflow_fernet_key.get_secret_value(),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout={_LOCK_TIMEOUT_S}",
        }

    def _environment(self) -> dict[str, str]:
        settings, secrets = self._context.settings, self._context.secrets
        jwt_secret = secrets.airflow_jwt_secret.get_secret_value()
        return {
            **self._core(self._home),
            **self._connections(),
            **_FAST_RECOVERY,
            "PYTHONPATH": str(REPOSITORY),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES": "sse_c_key",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(settings.airflow_parallelism),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            **(self._login() if self._context.secure else _NO_LOGIN),
            "AIRFLOW__API__HOST": settings.host,
            "AIRFLOW__API__PORT": str(settings.airflow_port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": jwt_secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": jwt_secret,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self._context.log_dir(self.name)),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(settings.airflow_worker_log_port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(settings.airflow_trigger_log_port),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **self._metrics(),
            **settings.airflow_environment,
        }

    def _login(self) -> dict[str, str]:
        """Return the settings for one user with a password, and for HTTPS."""
        files = self._context.certificates.files(self.name)
        return {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            "AIRFLOW__API__SSL_CERT": str(files.certificate),
            "AIRFLOW__API__SSL_KEY": str(files.key),
            "AIRFLOW__API__SSL_CA_FILE": str(self._context.ca_file),
            "AIRFLOW__API__CLIENT_USE_PUBLIC_CERTS": "False",
        }

    @property
    def _passwords(self) -> Path:
        return self._context.config_dir(self.name) / "passwords.json"

    def _metrics(self) -> dict[str, str]:
        """Return the settings for metrics to statsd_exporter. If it is not running, the packets are dropped."""
        settings = self._context.settings
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": settings.host,
            "AIRFLOW__METRICS__STATSD_PORT": str(settings.statsd_port),
            # Tags for DAG, task and state instead of names that contain them.
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
            "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
        }

    def _connections(self) -> dict[str, str]:
        connections = airflow_connections(self._context)
        variables = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in connections.items()}
        uploader = "{schema}://{host}:{port}".format_map(connections["csv_uploader"])
        return {**variables, "AIRFLOW_VAR_CSV_INGESTION_ALLOWED_HOSTS": uploader}


_NO_LOGIN = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}
"""Everybody is an admin, so the API must not be reachable from other machines."""
_FAST_RECOVERY = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
}
"""With these, a killed process is detected within seconds, with Airflow's defaults within minutes."""
