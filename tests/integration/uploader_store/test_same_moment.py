"""Many uploads of a dataset that began in the same microsecond, on several replicas."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from contracts.names import timestamp
from tests.support.signatures import signer
from tests.support.uploader.acceptance import running_acceptance
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.uploads import REPLICA, SettableClock, cut_result
from uploader.store.store import open_store
from uploader.uploads.outbox import Outbox

REPLICAS = 8


def test_all_are_stored_and_no_two_chunks_have_the_same_name(url: str, clock: SettableClock, tmp_path: Path) -> None:
    together = threading.Barrier(REPLICAS)
    result = cut_result(stamp=timestamp(clock.now))
    with ExitStack() as stack:
        stores = [stack.enter_context(closing(open_store(url))) for _ in range(REPLICAS)]
        benches = []
        for number, store in enumerate(stores):
            kafka = FakePublisher()
            outbox = Outbox(store=store, publisher=kafka, replica=REPLICA, sign=signer(clock=clock).sign, clock=clock)
            (temp_dir := tmp_path / f"disk-{number}").mkdir()
            bench = running_acceptance(store=store, outbox=outbox, clock=clock, temp_dir=temp_dir)
            benches.append(stack.enter_context(bench))

        def accept(number: int) -> list[str]:
            bench = benches[number]
            bench.moments = clock
            together.wait()
            accepted = asyncio.run(bench.accept(result=result))
            names = [chunk.filename for chunk in stores[number].chunks.read(accepted.upload_id)[1]]
            on_disk = {path.name for path in (bench.temp_dir / accepted.upload_id).glob("*.csv")}
            assert on_disk == set(names)
            return names

        with ThreadPoolExecutor(REPLICAS) as pool:
            names = [name for names in pool.map(accept, range(REPLICAS)) for name in names]
    assert len(set(names)) == len(names) == 3 * REPLICAS
