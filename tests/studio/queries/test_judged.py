"""The comparisons of a judged file, one by one: filters, counts, pages, and files that are none."""

import json
from pathlib import Path

import pytest

from engine.errors import SourceError
from studio.queries.judged import JudgedFilter, JudgedPage, judged_page

SAID = {
    "one": ("A", "A"), "flip": ("A", "order-flip"), "differ": ("B", "A"), "alike": ("B", "B"), "tie": ("tie", "tie"),
}  # fmt: skip
"""By comparison: what judge v1 and judge v0 say."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "verdicts.jsonl"
    lines = [ruled(key, judge, said[place]) for place, judge in enumerate(("v1", "v0")) for key, said in SAID.items()]
    path.write_text("".join(lines) + '{"half of a line')
    return path


def ruled(key: str, judge: str, verdict: str) -> str:
    orders = [{"order": order, "reasoning": f"{judge} on {key}, {order}"} for order in ("AB", "BA")]
    row = {"image": f"../../images/{key}.png", "question": f"Which, {key}?", "a": "Straße", "b": "two"}
    return json.dumps({**row, "key": key, "judge": judge, "verdict": verdict, "orders": orders}) + "\n"


def questions(page: JudgedPage) -> list[str]:
    return [one.question for one in page.shown]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (JudgedFilter(), list(SAID)),
        (JudgedFilter(show="flips"), ["flip"]),
        (JudgedFilter(show="differ"), ["flip", "differ"]),
        (JudgedFilter(verdict="B"), ["differ", "alike"]),
        (JudgedFilter(show="differ", verdict="B"), ["differ"]),
        (JudgedFilter(text="V0 ON ALIKE, BA"), ["alike"]),
        (JudgedFilter(text="STRASSE"), list(SAID)),
        (JudgedFilter(text="nowhere"), []),
    ],
)
def test_comparisons_are_found_by_flip_disagreement_verdict_and_text(
    file: Path, wanted: JudgedFilter, found: list[str]
) -> None:
    page = judged_page(file, wanted, start=0, count=20)
    assert questions(page) == [f"Which, {key}?" for key in found]
    assert (page.matching, page.total) == (len(found), 5)
    assert dict(page.counts) == {"": 5, "flips": 1, "differ": 2, "A": 3, "B": 2, "tie": 1, "order-flip": 1}


def test_comparison_has_every_judges_ruling_and_replies_and_names_its_picture(file: Path) -> None:
    (one,) = judged_page(file, JudgedFilter(show="flips"), start=0, count=20).shown
    assert one.rulings == {"v1": "A", "v0": "order-flip"}
    assert one.said["v0"] == ("v0 on flip, AB", "v0 on flip, BA")
    assert one.images == ("../../images/flip.png",)


@pytest.mark.parametrize(("start", "first"), [(0, "one"), (2, "differ"), (4, "tie"), (99, "tie"), (-3, "one")])
def test_page_is_the_last_one_where_there_are_fewer(file: Path, start: int, first: str) -> None:
    assert questions(judged_page(file, JudgedFilter(), start=start, count=2))[0] == f"Which, {first}?"


@pytest.mark.parametrize("text", ["[1]\n", "{\n", '{"key": "x", "judge": "v1", "verdict": "maybe"}\n'])
def test_file_that_is_none_of_rulings_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.jsonl").write_text(text)
    with pytest.raises(SourceError, match=r"^odd\.jsonl: is not a file of rulings"):
        judged_page(tmp_path / "odd.jsonl", JudgedFilter(), start=0, count=2)
