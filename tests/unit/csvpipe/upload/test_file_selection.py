from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import SourceNotFoundError
from csvpipe.upload.file_selection import select_files
from csvpipe.upload.source import STDIN


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.csv",
        "a.csv.gz",
        "c.CSV",
        "d.tsv.zst",
        "e.csv.zip",
        "csv",
        ".csv",
        ".hidden.csv",
        "readme.md",
        "deep/f.csv",
        "deep/deeper/g.csv",
        ".git/h.csv",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    return tmp_path


def names(tree: Path, *given: Path, recursive: bool = False) -> list[str]:
    return [str(path.relative_to(tree)) for path in select_files(given or (tree,), recursive=recursive)]


def test_csv_files_of_a_directory_are_sorted_by_name(tree: Path) -> None:
    assert names(tree) == ["a.csv.gz", "b.csv", "c.CSV", "d.tsv.zst"]


def test_recursion_skips_hidden_directories_and_links(tree: Path) -> None:
    assert names(tree, recursive=True) == [
        "a.csv.gz",
        "b.csv",
        "c.CSV",
        "d.tsv.zst",
        "deep/deeper/g.csv",
        "deep/f.csv",
    ]


def test_given_files_keep_their_order_and_may_have_any_name(tree: Path) -> None:
    assert names(tree, tree / "readme.md", tree / "deep", tree / "missing") == ["readme.md", "deep/f.csv", "missing"]


def test_file_that_is_given_twice_is_sent_once(tree: Path) -> None:
    assert names(tree, tree / "b.csv", tree) == ["b.csv", "a.csv.gz", "c.CSV", "d.tsv.zst"]
    assert select_files([STDIN, STDIN], recursive=False) == [STDIN]


def test_directory_without_csv_files_is_refused(tree: Path) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(SourceNotFoundError, match="--recursive"):
        select_files([tree / "empty"], recursive=False)
