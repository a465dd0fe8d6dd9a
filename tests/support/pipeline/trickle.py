"""Uploads and other calls that go on while a test changes the pipeline, and the check that all of them were served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from tests.support.pipeline.csv_data import CsvFile, write_csv
from tests.support.pipeline.pipeline import Pipeline
from tests.support.waiting import wait_until

_FILE_BYTES = 20_000
_CHUNKS = 2
_AT_ONCE = 1
"""Uploads that are under way before the next one begins by itself: each costs Airflow seconds of processor time."""
_PAUSE_S = 0.5
_CALL_DEADLINE_S = 120
_LANDING_DEADLINE_S = 180


@dataclass(frozen=True)
class TrickledUpload:
    """An upload that was accepted. Each has a dataset of its own."""

    upload_id: str
    dataset: str
    file: CsvFile


class Trickle:
    """A client that uploads one small file after another, and asks for their status until they have landed.

    A call that is refused, or not answered, is a failure. It is not repeated: a client need not expect that.

    Attributes:
        accepted: all uploads so far.
        failures: the calls that were not served.
    """

    def __init__(self, pipeline: Pipeline, folder: Path, *, name: str) -> None:
        self.accepted: list[TrickledUpload] = []
        self.failures: list[str] = []
        self._pipeline = pipeline
        self._folder = folder
        self._name = name
        self._begun = 0
        self._under_way: set[str] = set()
        self._wanted = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"trickle of {name}")

    def start(self) -> None:
        """Begin to upload, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no other call, and wait for the one that is under way."""
        self._stopped = True
        self._wanted.set()
        self._thread.join()

    def next_upload(self) -> TrickledUpload:
        """Return the first upload that begins after this call, as soon as it is accepted.

        No call may have failed until then.
        """
        begun = self._begun
        self._wanted.set()

        def accepted_since() -> TrickledUpload | None:
            self.check_no_failures()
            return self.accepted[begun] if len(self.accepted) > begun else None

        return wait_until(accepted_since, what="another upload is accepted", deadline_s=_CALL_DEADLINE_S, poll_s=0.1)

    def land_next_upload(self) -> TrickledUpload:
        """Wait until the first upload that begins after this call has landed."""
        upload = self.next_upload()
        self._pipeline.wait_until_landed(upload.upload_id, deadline_s=_LANDING_DEADLINE_S)
        return upload

    def check_no_failures(self) -> None:
        """Check that all calls were served until now."""
        assert not self.failures, f"after {len(self.accepted)} uploads: {self.failures}\n{self._pipeline.describe()}"

    def check_landed_exactly_once(self) -> None:
        """Wait until everything that was accepted has landed, and check its objects."""
        self.check_no_failures()
        assert self.accepted, "nothing was uploaded"
        for upload in self.accepted:
            self._pipeline.wait_until_landed(upload.upload_id, deadline_s=_LANDING_DEADLINE_S)
            self._pipeline.check_landed_exactly_once(upload.upload_id, upload.dataset, upload.file)

    def _run(self) -> None:
        while not self._stopped:
            if self._wanted.is_set() or len(self._under_way) < _AT_ONCE:
                self._wanted.clear()
                number, self._begun = self._begun, self._begun + 1
                self._call(f"upload {number}", partial(self._upload, number))
            for upload_id in sorted(self._under_way):
                self._call(f"status of {upload_id}", partial(self._follow, upload_id))
            self._wanted.wait(_PAUSE_S)

    def _call(self, what: str, call: Callable[[], object]) -> None:
        try:
            call()
        except (httpx.HTTPError, AssertionError) as error:
            self.failures.append(f"{what}: {error!r}")

    def _upload(self, number: int) -> None:
        dataset = f"{self._name}-{number}"
        file = write_csv(self._folder / f"{dataset}.csv", size_bytes=_FILE_BYTES, salt=dataset)
        upload_id = self._pipeline.upload(file, dataset, "count", _CHUNKS)["upload_id"]
        self.accepted.append(TrickledUpload(str(upload_id), dataset, file))
        self._under_way.add(str(upload_id))

    def _follow(self, upload_id: str) -> None:
        if self._pipeline.status(upload_id)["status"] == "landed":
            self._under_way.remove(upload_id)


@contextmanager
def trickle_of_uploads(pipeline: Pipeline, folder: Path, *, name: str) -> Iterator[Trickle]:
    """Upload while the block runs. In the end, every call must have been served, and every upload has landed once.

    Args:
        pipeline: where to.
        folder: for the files.
        name: beginning of the names of the datasets; no other trickle of the stack may have it.
    """
    trickle = Trickle(pipeline, folder, name=name)
    trickle.start()
    try:
        yield trickle
    finally:
        trickle.stop()
    trickle.check_landed_exactly_once()
