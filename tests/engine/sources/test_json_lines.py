from pathlib import Path

import pytest

from engine.errors import SourceError
from engine.records import content_id
from engine.sources.json_lines import json_lines, json_row
from engine.text import without_halves


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_are_numbered_as_an_editor_does_whatever_ends_them(tmp_path: Path, end: str, mark: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(f'{mark}{{"a": 1}}{end}{end}{{"a": "x\u2028y"}}'.encode())
    lines = list(json_lines(path))
    assert [where.rsplit(" ", 1)[1] for where, _ in lines] == ["1", "3"]
    assert [json_row(where, line)["a"] for where, line in lines] == [1, "x\u2028y"]


@pytest.mark.parametrize("data", [b"\xff\xfe{\0}\0", b'{"a": "\xe9"}'])
def test_file_in_another_encoding_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(data)
    with pytest.raises(SourceError, match="not text in UTF-8"):
        list(json_lines(tmp_path / "a.jsonl"))


@pytest.mark.parametrize("line", ["{", "[1]", "7", "[" * 100_000, '{"a": ' * 100_000])
def test_line_that_is_no_object_is_named(line: str) -> None:
    with pytest.raises(SourceError, match=r"^f\.jsonl line 3: (not JSON|expected an object, found a \w+)"):
        json_row("f.jsonl line 3", line)


def test_half_a_character_becomes_the_sign_for_it_wherever_it_stands() -> None:
    row = json_row("x", r'{"a": "cut \ud83d", "b": ["\udc00 \ud83d\ude00"], "\ud83d": {"c": "\ud83d\u0041"}}')
    assert row == {"a": "cut \ufffd", "b": ["\ufffd 😀"], "\ufffd": {"c": "\ufffdA"}}
    str(row).encode()
    assert without_halves("whole 😀 é") == "whole 😀 é"
    assert len(content_id("\ud83d")) == 16
