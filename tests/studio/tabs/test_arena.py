"""The Arena tab without a browser: blind items, late presses, agreement from twenty answers on, where they differ."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.judging.asking import verdict_row
from engine.measure.hand_labels import next_to_label
from engine.records import ORDERS, BenchmarkItem
from engine.workspace.catalog.database import open_catalog
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.hand_labels import read_labels
from studio.queries.verdicts import items
from studio.tabs.arena.tab import answer
from studio.tabs.arena.view import ENOUGH, UNDO, ArenaShown, show_arena
from tests.arena_run import NASTY, arena_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return arena_run(tmp_path / "ws")


def shown(run: RunFolder) -> ArenaShown:
    return show_arena(open_catalog(run.workspace), run, lambda path: f"file={path}" if path else None)


def vote(run: RunFolder, *, with_key: bool) -> str:
    """One answer; which item it was about."""
    item = next_to_label(run)
    assert item is not None
    answer(run, "A" if (item.first == item.item.preferred) == with_key else "B", item.item.item_id)
    return item.item.item_id


def test_item_is_shown_with_its_picture_and_without_key_or_verdicts(run):
    html = shown(run).item
    assert "file=images/" in html
    assert "0 answered, 24 in all" in html
    assert NASTY not in html
    assert not [word for word in ("preferred", "degraded", "judge-v", "I looked") if word in html]
    assert shown(run).agreement == shown(run).differences == shown(run).agreement.replace("judge-v1", "")


def test_item_of_several_pictures_shows_them_all_by_the_names_its_text_calls_them(run):
    folder = run.stage(0, "benchmark")
    rows = folder.read("items", BenchmarkItem)
    second, third = rows[1].image, rows[2].image
    several = [replace(row, more_images=(second,), preferred_images=(third,)) for row in rows]
    for part in folder.parts("items"):
        part.unlink()
    folder.write("items", several)
    item = next_to_label(run)
    html = shown(run).item
    of_question, of_answers = html.split("Two answers")
    assert "image 1" in of_question
    assert "image 2" in of_question
    assert f"file={item.item.image}" in of_question
    assert f"file={second}" in of_question
    assert of_answers.count("st-arena-inside") == 1
    assert f"file={third}" in of_answers
    letter = "A" if item.first == item.item.preferred else "B"
    assert of_answers.index(f"Answer {letter}") < of_answers.index("st-arena-inside")
    for _ in range(ENOUGH):
        vote(run, with_key=False)
    assert "st-pictures" in shown(run).differences


def test_agreement_comes_with_the_twentieth_answer_for_versions_and_controls(run):
    for _ in range(ENOUGH - 1):
        vote(run, with_key=True)
    assert "judge-v1" not in shown(run).agreement
    vote(run, with_key=True)
    html = shown(run).agreement
    for judge in ("judge-v1", "judge-v0", "control:shorter-wins", "control:longer-wins", "control:always-A"):
        assert judge in html
    assert "20 answers, 0 ties, 0 cannot tell" in html
    assert "100 % of the items" in html


def test_control_that_saw_a_part_of_the_items_has_its_kappa_on_those(run):
    catalog = open_catalog(run.workspace)
    part = items(catalog, run.name, "held-out", [f"item-{number:02d}" for number in range(0, 24, 2)])
    stage = run.stage(2, "evaluate")
    stage.begin({})
    rows = [
        verdict_row("control:image-blind", item, order, verdict, reasoning="")
        for number, (item, _) in enumerate(part.values())
        for order, verdict in zip(ORDERS, "BA" if number % 3 == 0 else "AB", strict=True)
    ]
    stage.write("verdicts", rows)
    stage.finish({})
    answered = [vote(run, with_key=number % 2 == 0) for number in range(ENOUGH)]
    both = sum(int(item[-2:]) % 2 == 0 for item in answered)
    row = re.search(r"<tr[^>]*>(?:(?!</tr>).)*control:image-blind.*?</tr>", shown(run).agreement, re.DOTALL)
    assert row is not None
    assert f"% of {both}" in row.group()


def test_items_on_which_the_newest_version_differs_are_shown_with_its_reasons(run):
    answered = [vote(run, with_key=True) for _ in range(ENOUGH)]
    html = shown(run).differences
    against = [item for item in answered if int(item[-2:]) % 8 == 0]
    assert f"{len(against)} of 20 answers" in html
    assert all(f"picture {int(item[-2:])}?" in html for item in against)
    assert "judge-v1: the other one" in html
    assert NASTY not in html


def test_press_about_an_item_that_is_answered_already_counts_for_no_other(run):
    item = vote(run, with_key=True)
    answer(run, "B", item)
    answer(run, "B", "item-99")
    answer(run, "<script>", str(next_to_label(run).item.item_id))
    assert len(read_labels(run)) == 1


def test_taking_back_brings_the_same_item_again(run):
    item = vote(run, with_key=False)
    answer(run, UNDO, "")
    assert read_labels(run) == []
    assert next_to_label(run).item.item_id == item


def test_run_without_items_says_when_they_come(tmp_path):
    empty = open_workspace(tmp_path / "ws").run("new")
    empty.folder.mkdir(parents=True)
    assert "Nothing to answer yet" in show_arena(open_catalog(empty.workspace), empty, lambda _path: None).item
    assert "No runs yet" in show_arena(open_catalog(empty.workspace), None, lambda _path: None).item
