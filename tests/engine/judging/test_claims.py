"""Parts of a file claimed by workers: each comparison once, whatever the workers do to each other."""

import os
import threading
from pathlib import Path

import pytest

from engine.errors import BackendError, WorkspaceError
from engine.judging import claims
from engine.judging.claims import share_out


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_PART", 4)


def write(rows: Path, only: range):
    """As `rule_file` does: what the file holds already is not asked again."""
    there = rows.read_text().split() if rows.exists() else []
    for number in only:
        if str(number) not in there:
            with rows.open("a") as file:
                file.write(f"{number}\n")
            yield 1


def everything(folder: Path) -> list[int]:
    return [int(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().split()]


def test_one_worker_rules_on_all_parts_and_a_second_finds_nothing(tmp_path):
    assert sum(share_out(tmp_path / "out", 10, write)) == 10
    assert everything(tmp_path / "out") == list(range(10))
    assert sorted(path.name for path in (tmp_path / "out").glob("*.jsonl"))[-1] == "00000008-00000010.jsonl"
    assert list(share_out(tmp_path / "out", 10, write)) == []


def test_many_workers_rule_on_each_comparison_once(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "_name", lambda: threading.current_thread().name)
    workers = [
        threading.Thread(target=lambda: list(share_out(tmp_path / "out", 200, write)), name=f"w{n}") for n in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert everything(tmp_path / "out") == list(range(200))
    assert not list((tmp_path / "out" / "parts").iterdir())


def test_worker_that_fails_gives_its_part_back_and_the_next_goes_on_where_it_was(tmp_path):
    def failing(rows: Path, only: range):
        for number, new in enumerate(write(rows, only)):
            if only.start == 4 and number == 2:
                raise BackendError("the server is gone")
            yield new

    with pytest.raises(BackendError):
        list(share_out(tmp_path / "out", 10, failing))
    assert sum(share_out(tmp_path / "out", 10, write)) == 10 - 4 - 3
    assert everything(tmp_path / "out") == list(range(10))


def test_part_of_a_worker_that_died_is_taken_after_a_while(tmp_path):
    working = share_out(tmp_path / "out", 4, write)
    next(working)
    (claim,) = (tmp_path / "out" / "parts").glob("*.claimed")
    assert list(share_out(tmp_path / "out", 4, write)) == [], "it may still be at work"
    os.utime(claim, (0, 0))
    assert sum(share_out(tmp_path / "out", 4, write)) == 3
    assert everything(tmp_path / "out") == list(range(4))


def test_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match="cannot be shared"):
        list(share_out(tmp_path / "file" / "out", 4, write))
