# syntax=docker/dockerfile:1
# Three images: `uploader` (the service and the command line), `sequencer` (the ordered lane) and `airflow` (Airflow with
# what the DAGs import).

FROM python:3.11.13-slim-bookworm AS build
COPY --from=ghcr.io/astral-sh/uv:0.13.9 /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
# The dependencies first: they change seldom, and their layer is kept while the code changes.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --no-install-project --extra uploader --extra postgresql --extra cli
COPY README.md ./
COPY contracts contracts
COPY csvscan csvscan
COPY uploader uploader
COPY sequencer sequencer
COPY dags dags
COPY nifi nifi
COPY stack stack
COPY csvpipe csvpipe
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --no-editable --extra uploader --extra postgresql --extra cli

FROM python:3.11.13-slim-bookworm AS uploader
RUN useradd --system --uid 10001 --home-dir /var/lib/csvpipe --create-home csvpipe
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 API_HOST=0.0.0.0 TEMP_DIR=/var/lib/csvpipe
USER csvpipe
WORKDIR /var/lib/csvpipe
VOLUME /var/lib/csvpipe
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=3)"]
ENTRYPOINT ["csvpipe"]
CMD ["serve"]

FROM build AS build-sequencer
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --no-editable --extra sequencer

FROM python:3.11.13-slim-bookworm AS sequencer
RUN useradd --system --uid 10001 --home-dir /var/lib/csvpipe --create-home csvpipe
COPY --from=build-sequencer /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
USER csvpipe
WORKDIR /var/lib/csvpipe
ENTRYPOINT ["csvpipe"]
CMD ["sequence"]

FROM apache/airflow:3.3.2-python3.11 AS airflow
# The image brings Amazon's, the HTTP and the standard provider. Airflow's version is named once more, so that pip can
# never replace it.
RUN pip install --no-cache-dir apache-airflow==3.3.2 apache-airflow-providers-apache-kafka==2.1.0
