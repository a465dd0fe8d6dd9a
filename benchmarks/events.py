"""The cost of ``GET /events``: transactions of the database, CPU of the uploader, and the time until a change arrives.

``python -m benchmarks.events --database postgresql://...`` starts the uploader with an empty PostgreSQL, which no other
program may use meanwhile, and without Kafka. For each number of listeners, which share one key or have a key each, it
counts what the database and the uploader do while nothing changes, and then while a chunk lands every second or two.
Each landing is timed from its request until each listener has read its event. The listeners are in the process of the
benchmark, which takes CPU of its own. Goal: the database's work does not grow with the listeners.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.http_client import HOST, p50_p99_max
from benchmarks.server_process import Server, uploader
from uploader.access.key_text import KeyText
from uploader.runtime.open_file_limit import raise_open_file_limit

_NUMBERS = (0, 1, 100, 1_000)
_QUIET_S = 20.0
_SETTLED_S = 3.0
"""Until whatever connecting caused is over."""
_LANDINGS = 15
_AT_ONCE = 20
"""Connections and keys that are made at a time."""
_HEAD = (
    "| listeners | keys | transactions/s, nothing changes | CPU % | transactions/s, a landing every 1 to 2 s | CPU % "
    "| ms until an event p50 | p99 | max |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


@dataclass
class _Arrivals:
    """When each listener has read the event of the landing that is waited for."""

    expected: int
    at: list[float] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self) -> None:
        self.at.append(time.perf_counter())
        if len(self.at) >= self.expected:
            self.complete.set()

    def expect_next(self) -> None:
        self.at.clear()
        self.complete.clear()


class _Load:
    """What database and uploader have done between :meth:`begin` and :meth:`end`."""

    def __init__(self, database: psycopg.Connection, server: Server) -> None:
        self._database = database
        self._server = server

    def begin(self) -> None:
        """Begin to count."""
        self._began = (time.monotonic(), self._transactions(), self._server.cpu_seconds())

    def end(self) -> str:
        """Return transactions per second and per cent of a core, as cells of the table."""
        seconds, transactions, cpu_s = (
            now - then
            for now, then in zip(
                (time.monotonic(), self._transactions(), self._server.cpu_seconds()), self._began, strict=True
            )
        )
        return f"{transactions / seconds:.1f} | {100 * cpu_s / seconds:.0f}"

    def _transactions(self) -> int:
        query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        self._database.execute("SELECT pg_stat_clear_snapshot()")
        [count] = self._database.execute(query).fetchone() or [0]
        return int(count)


async def _read(stream: asyncio.StreamReader, arrivals: _Arrivals) -> None:
    while line := await stream.readline():
        if line == b"event: upload\n":
            arrivals.note()


@asynccontextmanager
async def _listening(port: int, keys: Sequence[str]) -> AsyncIterator[_Arrivals]:
    """Listen once with each of ``keys``."""
    arrivals, opening = _Arrivals(expected=len(keys)), asyncio.Semaphore(_AT_ONCE)

    async def listen(key: str) -> tuple[asyncio.Task[None], asyncio.StreamWriter]:
        async with opening:
            stream, writer = await asyncio.open_connection(HOST, port)
            writer.write(f"GET /events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n".encode())
            while (line := await stream.readline()) != b"event: ready\n":
                if not line:
                    raise RuntimeError("a listener was refused")
            return asyncio.create_task(_read(stream, arrivals)), writer

    async with AsyncExitStack() as stack:
        for reader, writer in await asyncio.gather(*map(listen, keys)):
            stack.callback(writer.close)
            stack.callback(reader.cancel)
        yield arrivals


async def _create_keys(client: httpx.AsyncClient, count: int) -> list[str]:
    making = asyncio.Semaphore(_AT_ONCE)

    async def create(number: int) -> str:
        async with making:
            wanted = {"name": f"listener {number}", "permissions": ["read"], "datasets": ["*"]}
            answer = await client.post("/keys", json=wanted)
            return str(answer.raise_for_status().json()["key"])

    return list(await asyncio.gather(*map(create, range(count))))


async def _upload(client: httpx.AsyncClient) -> tuple[str, list[dict[str, Any]]]:
    """Upload a file with a chunk for each landing, and return its id and its chunks."""
    rows = b"id\n" + b"".join(b"%d\n" % row for row in range(_LANDINGS))
    address = "/upload/csv?dataset_name=events&chunk_type=rows&chunk_size=1"
    answer = await client.post(address, files={"file": ("rows.csv", rows)})
    upload_id = answer.raise_for_status().json()["upload_id"]
    status = await client.get(f"/uploads/{upload_id}/status")
    return upload_id, list(status.raise_for_status().json()["chunks"])


async def _land(client: httpx.AsyncClient, upload_id: str, chunk: dict[str, Any]) -> None:
    evidence = {"size_bytes": chunk["size_bytes"], "sha256": chunk["sha256"]}
    change = {"state": "landed", "evidence": evidence}
    (await client.put(f"/chunks/{upload_id}/{chunk['chunk_id']}/state", json=change)).raise_for_status()


async def _measure(client: httpx.AsyncClient, server: Server, load: _Load, keys: Sequence[str]) -> str:
    """Return the row of the table for a listener with each of ``keys``."""
    upload_id, chunks = await _upload(client)
    async with _listening(server.port, keys) as arrivals:
        await asyncio.sleep(_SETTLED_S)
        load.begin()
        await asyncio.sleep(_QUIET_S)
        quiet = load.end()
        latencies_ms: list[float] = []
        load.begin()
        for chunk in chunks:
            pause_s = random.uniform(1, 2)  # noqa: S311  so that landings are anywhere between two looks
            pause = asyncio.create_task(asyncio.sleep(pause_s))
            arrivals.expect_next()
            sent = time.perf_counter()
            await _land(client, upload_id, chunk)
            if keys:
                await arrivals.complete.wait()
            latencies_ms += [(at - sent) * 1000 for at in arrivals.at]
            await pause
        busy = load.end()
    times = " | ".join(f"{value:.0f}" for value in p50_p99_max(latencies_ms)) if keys else "| |"
    return f"| {len(keys)} | {len(set(keys))} | {quiet} | {busy} | {times} |"


async def _run(server: Server, admin_key: str, load: _Load, numbers: Sequence[int]) -> None:
    headers = {"X-API-Key": admin_key}
    async with httpx.AsyncClient(
        base_url=f"http://{HOST}:{server.port}", headers=headers, timeout=60, trust_env=False
    ) as client:
        keys = await _create_keys(client, max(numbers))
        print(_HEAD)
        for number in numbers:
            print(await _measure(client, server, load, keys[:1] * number), flush=True)
        for number in numbers:
            if number > 1:
                print(await _measure(client, server, load, keys[:number]), flush=True)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True, help="URL of an empty PostgreSQL database")
    parser.add_argument("--listeners", type=int, nargs="+", default=list(_NUMBERS))
    args = parser.parse_args(sys.argv[1:])
    raise_open_file_limit()
    admin_key = KeyText.generate().text
    settings = {"ACCESS": "keys", "ADMIN_KEY": admin_key, "DATABASE_URL": args.database, "UPLOADS_PER_MINUTE": "0"}
    settings["MAX_EVENT_STREAMS"] = str(max(args.listeners))
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-events-") as directory,
        uploader(**settings)(Path(directory)) as server,
        psycopg.connect(args.database, autocommit=True) as database,
    ):
        asyncio.run(_run(server, admin_key, _Load(database, server), args.listeners))


if __name__ == "__main__":
    main()
