"""The reference lines: readable, each with its source and protocol, and each overall checked against its parts."""

import pytest

from engine.measure.benchmarks import PUBLISHED
from engine.measure.published import PublishedNumber, off_its_parts, reference_lines, references

VLRB_SIZES = {"general": 183, "hallucination": 749, "reasoning": 318}
MMRB2_SIZES = dict.fromkeys(("image", "edit", "interleaved", "reasoning"), 1000)


def test_every_reference_names_a_known_benchmark_and_one_of_its_protocols_or_says_that_none_is_stated():
    for one in references():
        names = {protocol.name for protocol in PUBLISHED[one.benchmark].protocols}
        assert one.protocol is None or one.protocol in names
        assert one.source


@pytest.mark.parametrize(
    ("result", "sizes"),
    [
        (result, VLRB_SIZES if one.benchmark == "vl-rewardbench" else MMRB2_SIZES)
        for one in references()
        if one.benchmark in ("vl-rewardbench", "mmrb2")
        for result in one.results
        if result.parts
    ],
    ids=lambda value: value.judge if isinstance(value, PublishedNumber) else "",
)
def test_published_overall_is_the_weighted_mean_of_its_parts(result, sizes):
    # VL-RewardBench drops undecided items, so its groups weigh a little differently: up to .7 of a point.
    assert abs(off_its_parts(result, sizes)) < 0.007


def test_overall_that_is_not_the_mean_of_its_parts_is_noticed_and_one_without_them_unknown():
    wrong = PublishedNumber(judge="x", overall=0.7, parts={"a": 0.5, "b": 0.6})
    assert off_its_parts(wrong, {"a": 100, "b": 300}) == pytest.approx(0.7 - 0.575)
    assert off_its_parts(wrong, {"a": 1, "b": 1, "c": 1}) is None


def test_published_macro_is_the_plain_mean_of_the_groups():
    for one in references():
        for result in one.results:
            if result.macro is not None:
                assert result.macro == pytest.approx(sum(result.parts.values()) / len(result.parts), abs=0.0012)


def test_lines_are_of_one_protocol_where_one_is_asked_for():
    lines = reference_lines("vl-rewardbench", "vlrb-official")
    assert lines[0] == "GPT-4o: 65.8% (vlrb-official; arXiv 2411.17451)"
    assert all("vlrb-official" in line for line in lines)
    assert any("protocol not stated" in line for line in reference_lines("vl-rewardbench"))
