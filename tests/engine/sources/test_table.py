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
from engine.sources import json_array
from engine.sources.columns import Columns, columns_of
from engine.sources.entry import Entry
from engine.sources.pictures.upright import Limits
from engine.sources.table import open_table
from tests.engine.sources.picture_files import file_bytes, picture

PNG = file_bytes(picture())
LIMITS = Limits(max_bytes=100_000)
COLUMNS = Columns(image="image", question="question", choices="choices", answer="answer")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 42\n"
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


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def lined(text: str) -> str:
    return "\n".join(text[place : place + 60] for place in range(0, len(text), 60))


@pytest.mark.parametrize(
    "image",
    [
        {"url": "data:image/png;base64," + base64_of(PNG)},
        {"image_url": {"url": "data:image/png;base64," + base64_of(PNG)}},
        {"type": "image_url", "image_url": {"url": "a.png"}},
        [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "a.png"}}],
        {"type": "image", "image": "a.png"},
        {"bytes": None, "path": None, "url": "a.png"},
        list(PNG),
        {"bytes": list(PNG), "path": None},
        base64.urlsafe_b64encode(PNG).decode(),
        base64_of(PNG).rstrip("="),
        lined(base64_of(PNG)),
        "data:image/png;base64," + base64_of(PNG).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
        "sub\\b.png",
        ".\\sub\\b.png",
        "sub/cafe\u0301.png",
        "sub/caf\u00e9.png",
        "with%20space.png",
        " a.png ",
        {"file_name": "a.png"},
        "DATA:image/png;base64," + base64_of(PNG),
    ],
    ids=str,
)
def test_image_cell_as_other_tools_write_it_is_read(tmp_path: Path, image: Any) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "sub/b.png", "sub/cafe\u0301.png", "with space.png"):
        (tmp_path / name).write_bytes(PNG)
    (entry,) = read(jsonl(tmp_path / "t.jsonl", {"image": image}))
    assert isinstance(entry, Entry), entry
    assert entry.data == PNG


def test_image_cell_with_a_file_address_is_read(tmp_path: Path) -> None:
    (tmp_path / "with space.png").write_bytes(PNG)
    (entry,) = read(jsonl(tmp_path / "t.jsonl", {"image": (tmp_path / "with space.png").as_uri()}))
    assert isinstance(entry, Entry)


@pytest.mark.parametrize("size", range(1, 40))
def test_small_picture_in_base64_is_never_taken_for_a_path(tmp_path: Path, size: int) -> None:
    data = file_bytes(picture(8 + size, 9))
    (entry,) = read(jsonl(tmp_path / "t.jsonl", {"image": base64_of(data)}))
    assert isinstance(entry, Entry)
    assert entry.data == data


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ({"url": "https://example.org/a.png"}, "web address"),
        ("HTTPS://example.org/a.png", "web address"),
        ([[[0, 1], [2, 3]]], "numbers, not a picture"),
        ([[0, 1], [2, 3]], "numbers, not a picture"),
        ([256] * 300, "numbers, not a picture"),
        ([0.5] * 300, "numbers, not a picture"),
        ([{"type": "text", "text": "What?"}], "0 images"),
        ({"image_url": None}, "no image"),
        ("missing/folder/of/a/long/name/with/no/dot/and/only/letters/of/base64/x", "no such file"),
        ("a" * 300 + ".png", "neither a file's path nor base64"),
        ("..\\secret.png", "outside"),
        ("%2e%2e/secret.png", "outside"),
        ("file:///etc/hostname", "outside"),
    ],
)
def test_image_cell_that_cannot_be_read_says_what_it_holds(tmp_path: Path, image: Any, reason: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(PNG)
    (entry,) = read(jsonl(folder / "t.jsonl", {"image": image}))
    assert isinstance(entry, Skipped)
    assert reason in entry.reason


ROWS = [{"image": "a.png", "question": "Wh\u00e4t?\\ [1, {2}]"}, {"image": "b.png", "question": "And \u2028 this?"}]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("mark", ["", "\ufeff", "\n \n"])
@pytest.mark.parametrize("chunk", [3, 1 << 20])
@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_json_array_is_read_element_by_element(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None, mark: str, chunk: int, name: str
) -> None:
    monkeypatch.setattr(json_array, "_CHUNK", chunk)
    for row in ROWS:
        (tmp_path / row["image"]).write_bytes(PNG)
    (tmp_path / name).write_text(mark + json.dumps(ROWS, indent=indent, ensure_ascii=False), encoding="utf-8")
    found = read(tmp_path / name, Columns(image="image", question="question", choices=None, answer=None))
    assert [(entry.name, entry.question) for entry in found if isinstance(entry, Entry)] == [
        (f"{name} element 1", ROWS[0]["question"]),
        (f"{name} element 2", ROWS[1]["question"]),
    ]


def test_json_array_that_is_cut_off_gives_what_was_whole(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "t.json").write_text(json.dumps([{"image": "a.png"}] * 3)[:-20])
    *taken, last = read(tmp_path / "t.json")
    assert [entry.name for entry in taken if isinstance(entry, Entry)] == ["t.json element 1", "t.json element 2"]
    assert isinstance(last, Skipped)
    assert "from here on" in last.reason


@pytest.mark.parametrize(
    ("cells", "asked"),
    [
        (
            {"question": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]},
            ("What is it?", (), None),
        ),
        ({"question": {"from": ["human", "gpt"], "value": ["What is it?", "A cat."]}}, ("What is it?", (), "A cat.")),
        ({"question": [{"user": "What is it?", "assistant": "A cat."}]}, ("What is it?", (), "A cat.")),
        (
            {"question": json.dumps({"question": "What is it?", "chosen": "A cat.", "rejected": "A dog."})},
            ("What is it?", (), "A cat."),
        ),
        ({"question": "What is it?", "choices": ["cat", "dog", None]}, ("What is it?", ("cat", "dog"), None)),
        ({"question": json.dumps({"chosen": "A cat.", "rejected": "A dog."})}, (None, (), None)),
    ],
    ids=["content parts", "struct of lists", "pairs", "JSON text", "empty last choice", "JSON without a question"],
)
def test_what_a_column_holds_is_asked_as_a_person_would_read_it(
    tmp_path: Path, cells: dict[str, Any], asked: tuple[str | None, tuple[str, ...], str | None]
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    columns = Columns(
        image="image", question="question", choices="choices" if "choices" in cells else None, answer=None
    )
    (entry,) = read(jsonl(tmp_path / "t.jsonl", {"image": "a.png", **cells}), columns)
    assert isinstance(entry, Entry)
    assert (entry.question, entry.choices, entry.answer) == asked


def test_json_array_with_another_behind_it_says_that_it_was_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "t.json").write_text('[{"image": "a.png"}]\n' * 2)
    first, second = read(tmp_path / "t.json")
    assert isinstance(first, Entry)
    assert isinstance(second, Skipped)
    assert "more follows after the end" in second.reason


def test_json_lines_that_end_in_a_comma_are_rows(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    assert len(read(jsonl(tmp_path / "t.jsonl", '{"image": "a.png"},', '{"image": "a.png"},'))) == 2


def test_parquet_map_is_read_by_its_keys(tmp_path: Path) -> None:
    asked = pa.array([[("question", "What?"), ("answer", "A cat.")]], pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table({"image": [PNG], "question": asked}), tmp_path / "t.parquet")
    (entry,) = read(tmp_path / "t.parquet", Columns(image="image", question="question", choices=None, answer=None))
    assert isinstance(entry, Entry)
    assert (entry.question, entry.answer) == ("What?", "A cat.")


def test_json_array_of_other_things_is_skipped_by_element(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "t.json").write_text('[{"image": "a.png"}, 3, "x", [1]]')
    first, *others = read(tmp_path / "t.json")
    assert isinstance(first, Entry)
    assert [entry.reason for entry in others if isinstance(entry, Skipped)] == ["the element is not a JSON object"] * 3


@pytest.mark.parametrize("as_array", [True, False])
def test_row_without_an_image_is_skipped_wherever_it_stands(tmp_path: Path, as_array: bool) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    rows = [{"id": 1, "text": "no image"}, {"id": 2, "image": "a.png"}, {"id": 3}]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(rows) if as_array else "\n".join(map(json.dumps, rows)))
    found = read(path)
    assert [type(entry) for entry in found] == [Skipped, Entry, Skipped]
    assert "no image" in found[0].reason  # type: ignore[union-attr]


def test_column_that_only_later_rows_have_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    rows = [{"image": "a.png"}, {"image": "a.png", "question": "What?", "choices": None, "answer": None}]
    first, second = read(jsonl(tmp_path / "t.jsonl", *rows), COLUMNS)
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert (first.question, second.question) == (None, "What?")


def test_half_a_character_in_a_row_becomes_a_replacement_sign(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    line = '{"image": "a.png", "question": "cut \\ud83d", "choices": ["\\ud83d", "b"], "answer": "\\ude00"}'
    (entry,) = read(jsonl(tmp_path / "t.jsonl", line), COLUMNS)
    assert isinstance(entry, Entry)
    assert (entry.question, entry.choices, entry.answer) == ("cut \ufffd", ("\ufffd", "b"), "\ufffd")


def test_first_reply_is_the_answer_of_a_conversation_unless_a_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A cat."}]
    path = jsonl(tmp_path / "t.jsonl", {"image": "a.png", "turns": turns, "label": "cat"})
    (entry,) = read(path, Columns(image="image", question="turns", choices=None, answer=None))
    assert isinstance(entry, Entry)
    assert (entry.question, entry.answer) == ("What?", "A cat.")
    (entry,) = read(path, Columns(image="image", question="turns", choices=None, answer="label"))
    assert isinstance(entry, Entry)
    assert entry.answer == "cat"
    (entry,) = read(path, Columns(image="image", question="turns", choices=None, answer="turns"))
    assert isinstance(entry, Entry)
    assert entry.answer == "A cat."


def test_class_labels_of_a_parquet_that_datasets_wrote_are_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features(
        {
            "image": datasets.Value("binary"),
            "answer": names,
            "choices": datasets.List(names),
            "question": datasets.Value("string"),
        }
    )
    rows = {"image": [PNG] * 2, "answer": [1, -1], "choices": [[1, 0]] * 2, "question": ["Which?"] * 2}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "t.parquet"))
    first, second = read(tmp_path / "t.parquet", COLUMNS)
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert (first.answer, first.choices) == ("dog", ("dog", "cat"))
    assert second.answer is None


@pytest.mark.parametrize(
    ("name", "make", "found"),
    [
        ("shards", lambda path: path.mkdir(), "several files.*source.kind=dataset"),
        ("train-*.parquet", lambda _: None, "several files.*source.kind=dataset"),
        ("t.json", lambda path: path.write_text(json.dumps({"data": ROWS}, indent=1)), "one JSON object.*JSON array"),
        ("t.parquet", lambda path: path.write_text(POINTER), "git-lfs pointer.*git lfs pull"),
        ("t.jsonl", lambda path: path.write_text(POINTER), "git-lfs pointer.*git lfs pull"),
    ],
)
def test_what_stands_in_place_of_a_table_is_named(tmp_path: Path, name: str, make: Any, found: str) -> None:
    make(tmp_path / name)
    with pytest.raises(SourceError, match=found):
        read(tmp_path / name)
