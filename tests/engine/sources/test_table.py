import base64
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.config import SourceSettings
from engine.errors import SourceError
from engine.records import Skipped
from engine.sources.columns import Columns, columns_of
from engine.sources.entry import Entry
from engine.sources.pictures.upright import Limits
from engine.sources.table import open_table
from tests.engine.sources.picture_files import file_bytes, picture

PNG = file_bytes(picture())
LIMITS = Limits(max_bytes=100_000)
COLUMNS = Columns(image="image", question="question", choices="choices", answer="answer")
IMAGE_ONLY = columns_of(SourceSettings())


def read(path: Path, columns: Columns = IMAGE_ONLY) -> list[Entry | Skipped]:
    return list(open_table(path, columns, LIMITS).entries)


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def parquet(path: Path, **columns: list[Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    "image",
    [PNG, {"bytes": PNG, "path": None}, {"bytes": None, "path": "a.png"}, "a.png", "sub/../a.png", [PNG]],
    ids=["bytes", "struct with bytes", "struct with path", "path", "winding path", "list of one"],
)
def test_parquet_image_is_found_in_every_shape(tmp_path: Path, image: Any) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "sub").mkdir()
    (entry,) = read(parquet(tmp_path / "t.parquet", image=[image], other=[1]))
    assert isinstance(entry, Entry)
    assert entry.data == PNG
    assert entry.name == "t.parquet row 0"


@pytest.mark.parametrize(
    "image",
    ["a.png", base64.b64encode(PNG).decode(), "data:image/png;base64," + base64.b64encode(PNG).decode()],
    ids=["path", "base64", "data URI"],
)
def test_jsonl_image_is_found_in_every_shape(tmp_path: Path, image: str) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (entry,) = read(jsonl(tmp_path / "t.jsonl", {"image": image}))
    assert isinstance(entry, Entry)
    assert entry.data == PNG


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("../secret.png", "outside"),
        ("/etc/hostname", "outside"),
        ("link.png", "outside"),
        ("missing.png", "no such file"),
        ("https://example.org/a.png", "web address"),
        ("a\0b.png", "path"),
        ("not base64! " * 500, "neither"),
        ("", "holds no image"),
        (None, "holds no image"),
        ([], "0 images"),
        (["a.png", "b.png"], "2 images"),
        (7, "holds a int"),
        ({"path": "../secret.png"}, "outside"),
    ],
)
def test_unusable_image_cell_is_skipped_with_its_reason(tmp_path: Path, image: Any, reason: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(PNG)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (entry,) = read(jsonl(folder / "t.jsonl", {"image": image}))
    assert isinstance(entry, Skipped)
    assert reason in entry.reason
    assert entry.name == "t.jsonl line 1"


def test_question_choices_and_answer_come_along(tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {
        "image": [PNG, PNG],
        "question": ["What is it?", " "],
        "choices": [["a cat", "a dog"], None],
        "answer": [1, None],
    }
    first, second = read(parquet(tmp_path / "t.parquet", **rows), COLUMNS)
    assert isinstance(first, Entry)
    assert (first.question, first.choices, first.answer) == ("What is it?", ("a cat", "a dog"), "1")
    assert isinstance(second, Entry)
    assert (second.question, second.choices, second.answer) == (None, (), None)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("<image>\nWhat is it?", "What is it?"),
        ([{"from": "gpt", "value": "no"}, {"from": "human", "value": "<image>\nWhat?"}], "What?"),
        ([{"role": "system", "content": "no"}, {"role": "user", "content": "What?"}], "What?"),
        ([], None),
        (3, None),
    ],
)
def test_question_is_read_from_a_text_or_a_conversation(tmp_path: Path, question: Any, expected: str | None) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    columns = Columns(image="image", question="question", choices=None, answer=None)
    (entry,) = read(jsonl(tmp_path / "t.jsonl", {"image": "a.png", "question": question}), columns)
    assert isinstance(entry, Entry)
    assert entry.question == expected


@pytest.mark.parametrize(
    ("choices", "expected"),
    [(["a", 2], ("a", "2")), ('["a", "b"]', ("a", "b")), ("['a', 'it\\'s']", ("a", "it's")), ("", ()), (None, ())],
)
def test_choices_are_read_from_a_list_or_its_text(tmp_path: Path, choices: Any, expected: tuple[str, ...]) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    row = {"image": "a.png", "question": "Which?", "choices": choices, "answer": None}
    (entry,) = read(jsonl(tmp_path / "t.jsonl", row), COLUMNS)
    assert isinstance(entry, Entry)
    assert entry.choices == expected


@pytest.mark.parametrize("choices", ["a or b", "__import__('os')", 7, {"a": 1}])
def test_choices_that_are_no_list_skip_the_row(tmp_path: Path, choices: Any) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    row = {"image": "a.png", "question": "Which?", "choices": choices, "answer": None}
    (entry,) = read(jsonl(tmp_path / "t.jsonl", row), COLUMNS)
    assert isinstance(entry, Skipped)
    assert "choices" in entry.reason


def test_broken_lines_are_skipped_by_number_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    good = json.dumps({"image": "a.png"})
    lines = ["", good, "{broken", "[1]", "[" * 100_000, json.dumps({"image": "x" * 2_000_000}), good]
    found = read(jsonl(tmp_path / "t.jsonl", *lines))
    assert [entry.name for entry in found if isinstance(entry, Entry)] == ["t.jsonl line 2", "t.jsonl line 7"]
    reasons = {entry.name[-1]: entry.reason for entry in found if isinstance(entry, Skipped)}
    assert [key for key, reason in reasons.items() if "JSON" in reason] == ["3", "4", "5"]
    assert "longer than" in reasons["6"]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_missing_column_is_one_sentence_that_names_those_there(tmp_path: Path, kind: str) -> None:
    if kind == "jsonl":
        path = jsonl(tmp_path / "t.jsonl", {"picture": "a.png", "text": "?"})
    else:
        path = parquet(tmp_path / "t.parquet", picture=[PNG], text=["?"])
    with pytest.raises(SourceError, match=r"no column 'image'; its columns are picture, text. Set source.image_column"):
        read(path)
    with pytest.raises(SourceError, match=r"no column 'q'.*source\.question_column"):
        read(path, Columns(image="picture", question="q", choices=None, answer=None))


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [("t.csv", b"a,b", "neither parquet"), ("t.parquet", b"PAR1 and then nothing", "damaged parquet")],
)
def test_file_that_is_no_table_is_one_sentence(tmp_path: Path, name: str, data: bytes, found: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=found):
        read(tmp_path / name)


def test_missing_table_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read(tmp_path / "nowhere.parquet")
