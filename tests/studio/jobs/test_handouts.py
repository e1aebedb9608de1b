"""Files that visitors take away: their names, what is in them, and that nothing in them runs."""

import io
import json
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.config import load_settings
from engine.errors import JudgeStudioError
from engine.workspace.folders import RunFolder
from engine.workspace.run_record import run_settings
from studio.jobs.handouts import data_zip, report_file, settings_file
from tests.made_run import made_run
from tests.tiny_models import save_tiny_llava


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("handouts")
    base = save_tiny_llava(folder / "tiny", width=64, vision_layers=1, layers=1)
    return made_run(folder / "ws", base, nasty="=HYPERLINK(1) <script>alert(1)</script>")


def test_kept_data_are_the_commands_folder_in_a_zip_and_no_file_a_spreadsheet_runs(run: RunFolder) -> None:
    path = data_zip(run.workspace, run.name, None)
    assert path.name == "made-data.zip"
    archive = zipfile.ZipFile(path)
    names = {name.removeprefix("made-data/") for name in archive.namelist()}
    assert {"README.md", "sft.jsonl", "preference.jsonl", "data/sft-00000.parquet"} <= names
    assert not [name for name in names if Path(name).suffix in (".csv", ".tsv", ".xls", ".xlsx")]
    assert archive.testzip() is None
    lines = [json.loads(line) for line in archive.read("made-data/sft.jsonl").splitlines()]
    table = pq.read_table(io.BytesIO(archive.read("made-data/data/sft-00000.parquet")))
    assert len(lines) == table.num_rows == 12
    assert all(f"made-data/{line['images'][0]}" in archive.namelist() for line in lines)


class Parts(HTMLParser):
    """The tags of a page and the addresses it would ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "srcset")]


def test_report_is_one_file_without_scripts_that_asks_nobody(run: RunFolder) -> None:
    path = report_file(run.workspace, run.name, None)
    assert path.name == "made-report.html"
    parts = Parts()
    parts.feed(path.read_text())
    assert "judge-v2" in path.read_text()
    assert "script" not in parts.tags
    assert all(address.startswith("data:") for address in parts.addresses)


def test_settings_are_those_of_the_run_and_start_another_one(run: RunFolder) -> None:
    path = settings_file(run.workspace, run.name, None)
    assert path.name == "made-settings.yaml"
    assert load_settings(file=path) == run_settings(run)


@pytest.mark.parametrize("name", ["nope", "../made", "", None])
def test_run_that_is_not_there_is_one_sentence(run: RunFolder, name: str | None) -> None:
    for make in (data_zip, report_file, settings_file):
        with pytest.raises(JudgeStudioError, match=r"\.$"):
            make(run.workspace, name, None)
