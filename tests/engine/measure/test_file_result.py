"""A file of rulings summed up: wins and flips per judge, agreement of two, a last line that is not whole."""

import json
from pathlib import Path

import pytest

from engine.errors import SourceError
from engine.measure.file_result import file_result


def write(path: Path, said: dict[str, str], tail: str = "") -> Path:
    """`said`: judge → one letter per comparison: A, B, t(ie), f(lip), i(nvalid)."""
    words = {"A": "A", "B": "B", "t": "tie", "f": "order-flip", "i": "invalid"}
    lines = [
        json.dumps({"judge": judge, "key": str(key), "verdict": words[letter]})
        for judge, letters in said.items()
        for key, letter in enumerate(letters)
    ]
    path.write_text("\n".join([*lines, tail]))
    return path


def test_outcomes_are_counted_per_judge(tmp_path):
    (found,) = file_result(write(tmp_path / "v.jsonl", {"v1": "AABft"})).judges
    assert (found.rulings, dict(found.outcomes)) == (5, {"A": 2, "B": 1, "tie": 1, "order-flip": 1, "invalid": 0})


def test_agreement_counts_comparisons_on_which_both_name_a_response(tmp_path):
    said = {"v1": "AABBf", "v0": "AABAA", "v2": "fffff"}
    found = {(one.first, one.second): one.kappa for one in file_result(write(tmp_path / "v.jsonl", said)).agreement}
    kappa = found["v1", "v0"]
    assert kappa is not None
    assert (kappa.labels, kappa.agreement, kappa.kappa) == (4, 0.75, pytest.approx(0.5))
    assert found["v1", "v2"] is None


def test_line_that_is_being_written_is_left_out(tmp_path):
    (found,) = file_result(write(tmp_path / "v.jsonl", {"v1": "AB"}, tail='{"judge": "v1", "key"')).judges
    assert found.rulings == 2


def test_file_of_something_else_is_refused_by_its_name(tmp_path):
    with pytest.raises(SourceError, match=r"^v\.jsonl: is not a file of rulings"):
        file_result(write(tmp_path / "v.jsonl", {}, tail='{"a": 1}\n'))
