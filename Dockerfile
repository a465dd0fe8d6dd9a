# syntax=docker/dockerfile:1
# Images: `uploader` (the service with its page, and all commands that do not need the other image's packages or a checkout)
# and `sequencer` (the commands sequence, verify-topic and doctor). Third-party programs for docker-compose.yml: `airflow` (Airflow with
# the packages that the DAGs import), `nifi` (NiFi without TLS) and `minio` (built from source, because there are no current
# images). docs/adr/0017-two-images-from-one-dockerfile.md and 0029-images-of-others-programs.md explain why,
# docs/how-to/compose.md how to run them.
#
# Another base image (Debian 12 or newer, with or without Python):  --build-arg BASE_IMAGE=python:3.11.13-slim-bookworm
# Your own package index: two optional secrets, which leave no trace in the image.
#   --secret id=build-env,src=FILE   lines NAME=value for pip, uv and npm: UV_DEFAULT_INDEX=..., PIP_INDEX_URL=..., NPM_CONFIG_REGISTRY=...
#   --secret id=build-ca,src=FILE    certificates to trust (PEM) while packages are fetched

ARG BASE_IMAGE=debian:12.12-slim
ARG GO_IMAGE=golang:1.25.3-bookworm
ARG NIFI_IMAGE=apache/nifi:2.3.0

FROM ${BASE_IMAGE} AS python
# Certificates of public authorities, which verify MSK's brokers and a NiFi without NIFI_CA_FILE. Slim images have none, and
# Debian's Python only recommends them.
RUN set -eu; \
    packages=ca-certificates; \
    if ! command -v python3 > /dev/null; then packages="$packages python3"; fi; \
    apt-get update; \
    apt-get install --yes --no-install-recommends $packages; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/apt /var/log/*.log \
        /usr/lib/python3.*/pydoc_data /usr/lib/python3.*/test; \
    useradd --system --uid 10001 --home-dir /var/lib/csvpipe --create-home --shell /usr/sbin/nologin csvpipe

FROM python AS build
ARG UV_VERSION=0.13.9
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
# nipyapi requires setuptools but does not import it.
ENV SYNC="/opt/uv/bin/uv sync --locked --no-dev --no-install-package setuptools"
WORKDIR /app
COPY docker/build-settings docker/slim /usr/local/bin/
# uv is installed from the same index as all other packages, so that the build needs no other source.
RUN --mount=type=secret,id=build-env --mount=type=secret,id=build-ca \
    . build-settings; \
    apt-get update; \
    apt-get install --yes --no-install-recommends binutils python3-venv; \
    python3 -m venv /opt/uv; \
    /opt/uv/bin/pip install --no-cache-dir --quiet uv==${UV_VERSION}
COPY pyproject.toml uv.lock ./

FROM build AS build-page
# Node.js is a wheel in uv.lock, the packages of the page are in web/package-lock.json.
RUN --mount=type=secret,id=build-env --mount=type=secret,id=build-ca \
    . build-settings; \
    /opt/uv/bin/uv sync --locked --only-group page
COPY web/package.json web/package-lock.json web/.npmrc web/
RUN --mount=type=secret,id=build-env --mount=type=secret,id=build-ca \
    . build-settings; \
    PATH=/app/.venv/bin:$PATH npm --prefix web ci --ignore-scripts
COPY web web
RUN PATH=/app/.venv/bin:$PATH npm --prefix web run build

FROM build AS build-uploader
# Dependencies first: they change rarely, and their layer stays cached while the code changes.
RUN --mount=type=secret,id=build-env --mount=type=secret,id=build-ca \
    . build-settings; \
    $SYNC --no-install-project --extra uploader --extra postgresql --extra nifi --extra tracing
COPY . .
COPY --from=build-page /app/uploader/page uploader/page
RUN --mount=type=secret,id=build-env --mount=type=secret,id=build-ca \
    . build-settings; \
    $SYNC --no-editable --extra uploader --extra postgresql --extra nifi --extra tracing; \
    slim .venv uploader.app,uploader.healthcheck serve recover openapi upload check status list head readers announce verify audit keys login \
        logout doctor bucket nifi

FROM build AS build-sequencer
RUN --mount=type=secret,id=build-env --mount=type=secret,id=build-ca \
    . build-settings; \
    $SYNC --no-install-project --extra sequencer
COPY . .
RUN --mount=type=secret,id=build-env --mount=type=secret,id=build-ca \
    . build-settings; \
    $SYNC --no-editable --extra sequencer; \
    slim .venv sequencer.job.runner sequence verify-topic doctor

FROM python AS runtime
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/var/lib/csvpipe
WORKDIR /var/lib/csvpipe
STOPSIGNAL SIGTERM
ENTRYPOINT ["csvpipe"]

FROM runtime AS uploader
COPY --from=build-uploader /app/.venv /app/.venv
ENV API_HOST=0.0.0.0 TEMP_DIR=/var/lib/csvpipe
USER 10001:10001
VOLUME /var/lib/csvpipe
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s CMD ["python", "-m", "uploader.healthcheck"]
CMD ["serve"]

FROM runtime AS sequencer
COPY --from=build-sequencer /app/.venv /app/.venv
ENV CHECKPOINT_FILE=/var/lib/csvpipe/checkpoints.sqlite3
USER 10001:10001
VOLUME /var/lib/csvpipe
CMD ["sequence"]

FROM apache/airflow:3.3.2-python3.11 AS airflow
# The image has the Amazon, HTTP and standard providers. Airflow's version is repeated so that pip cannot replace it.
RUN pip install --no-cache-dir apache-airflow==3.3.2 apache-airflow-providers-apache-kafka==2.1.0

FROM ${GO_IMAGE} AS build-minio
# The version of the local stack (stack/versions.toml).
ARG MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
COPY docker/build-settings /usr/local/bin/
# go.mod requires a toolchain; if the image's is older, Go downloads it.
RUN --mount=type=secret,id=build-env --mount=type=secret,id=build-ca \
    . build-settings; \
    CGO_ENABLED=0 GOBIN=/build GOTOOLCHAIN=auto GOFLAGS=-trimpath go install -ldflags "-s -w" github.com/minio/minio@${MINIO_VERSION}

FROM python AS minio
COPY --from=build-minio /build/minio /usr/local/bin/minio
RUN install --directory --owner csvpipe --group csvpipe /data
# mc creates a directory in its home and would check for newer releases.
ENV MINIO_UPDATE=off HOME=/tmp
USER 10001:10001
VOLUME /data
EXPOSE 9000 9001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --retries=12 CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9000/minio/health/cluster', timeout=4)"]
ENTRYPOINT ["minio"]
CMD ["server", "/data", "--console-address", ":9001"]

FROM ${NIFI_IMAGE} AS nifi
# conf is a volume that keeps its files when the version changes; the entry point starts from this copy.
RUN cp -R conf conf.shipped
COPY docker/nifi-entrypoint /opt/nifi/scripts/
ENTRYPOINT ["/opt/nifi/scripts/nifi-entrypoint"]
