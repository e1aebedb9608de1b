"""Versions: paired comparison, what changed, controls, choosing, promoting and exporting, hostile text."""

import html
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from engine.errors import JudgeStudioError
from engine.judging.judges import resolve_judge
from engine.measure.intervals import Gain
from engine.measure.metrics import BOTH_ORDERS_MEAN, STRICT
from engine.measure.side_by_side import ended as how_both_ended
from engine.records import ORDERS, Order, ScoreRow, Verdict, VerdictRow, names_preferred
from engine.workspace.decisions import best_judge, promote, promoted_version
from engine.workspace.folders import Workspace
from studio.jobs.handouts import judge_zip
from studio.look import words
from studio.page.page import Page, Tab, create_page
from studio.page.pulse import Moment, signature
from studio.tabs import training
from studio.tabs.live import tab as live
from studio.tabs.versions import tab, view
from studio.tabs.versions.comparison import Chosen, Compared, choose, compare_verdicts
from studio.tabs.versions.tab import VersionsPlace, promote_or_demote, show_versions
from studio.tabs.versions.view import Table
from tests.made_run import made_run
from tests.sample_workspace import image_id
from tests.tiny_models import save_tiny_llava


@pytest.fixture
def page(workspace: Workspace) -> Iterator[Page]:
    with gr.Blocks(analytics_enabled=False):
        yield create_page(workspace)


def said(item: int, order: Order, verdict: Verdict, *, judge: str = "judge-v1", dimension: str = "count") -> VerdictRow:
    return VerdictRow(
        judge=judge, benchmark="b", item_id=f"i{item:03d}", image_id=f"m{item}", kind="open", dimension=dimension,
        order=order, verdict=verdict, correct=names_preferred(verdict, order), reasoning="", tokens=1,
    )  # fmt: skip


def both(item: int, ab: Verdict, ba: Verdict, **more: Any) -> list[VerdictRow]:
    return [said(item, "AB", ab, **more), said(item, "BA", ba, **more)]


@pytest.mark.parametrize(
    ("ab", "ba", "ended"),
    [
        ("A", "B", "right"),
        ("B", "A", "wrong"),
        ("A", "A", "order-flip"),
        ("B", "B", "order-flip"),
        ("A", "invalid", "invalid"),
        ("tie", "B", "tie"),
        ("tie", "invalid", "invalid"),
    ],
)
def test_two_orders_end_in_one_word(ab: Verdict, ba: Verdict, ended: str) -> None:
    assert how_both_ended(both(1, ab, ba)) == ended


def test_changed_items_are_regressions_first_and_other_changes_last() -> None:
    old = [*both(1, "A", "B"), *both(2, "B", "A"), *both(3, "B", "A"), *both(4, "A", "B")]
    new = [*both(1, "A", "A"), *both(2, "A", "B"), *both(3, "A", "A"), *both(4, "A", "B"), *both(5, "A", "B")]
    result = compare_verdicts(old, new, STRICT)
    assert [(one.item_id, one.kind, one.older, one.newer) for one in result.changes] == [
        ("i001", "worse", "right", "order-flip"),
        ("i002", "better", "wrong", "right"),
        ("i003", "other", "wrong", "order-flip"),
    ]
    assert result.items == 4, "an item that only one version judged is no comparison"


def test_protocol_decides_what_counts_as_better() -> None:
    old, new = both(1, "B", "A"), both(1, "A", "A")
    assert compare_verdicts(old, new, STRICT).changes[0].kind == "other"
    assert compare_verdicts(old, new, BOTH_ORDERS_MEAN).changes[0].kind == "better"
    assert compare_verdicts(old, new, BOTH_ORDERS_MEAN).gains["all"].gain == pytest.approx(0.5)


def test_published_protocol_has_no_paired_test_here() -> None:
    assert compare_verdicts(both(1, "B", "A"), both(1, "A", "B"), "vl-rewardbench-official").gains == {}


def test_clear_gain_and_no_gain_are_told_apart_in_words() -> None:
    old = [row for n in range(40) for row in both(n, "A", "A", dimension="count" if n % 2 else "position")]
    new = [
        row
        for n in range(40)
        for row in both(n, "A", "B" if n % 2 or n < 2 else "A", dimension="count" if n % 2 else "position")
    ]
    result = compare_verdicts(old, new, STRICT)
    assert result.gains["count"].gain == pytest.approx(1.0)
    assert view.dimension_sentence(result) == "Count clearly improved. Position did not change clearly."


def score(
    judge: str, protocol: str = STRICT, benchmark: str = "b", dimension: str = "all", accuracy: float = 0.5
) -> Any:
    return ScoreRow(
        judge=judge, benchmark=benchmark, protocol=protocol, dimension=dimension, n=100, accuracy=accuracy,
        low=accuracy - 0.1, high=accuracy + 0.1, invalid=0.0, position_lean=0.0, length_lean=0.0,
    )  # fmt: skip


SCORES = [
    *(score(f"judge-v{n}", protocol) for n in (0, 2, 10) for protocol in (STRICT, BOTH_ORDERS_MEAN)),
    score("judge-v0", "vl-rewardbench-official", benchmark="vl-rewardbench"),
    score("control:shorter-wins", accuracy=0.57),
    score("control:image-blind", accuracy=0.2),
    score("control:image-blind:judge-v10", accuracy=0.3),
    score("control:image-blind:judge-v2", accuracy=0.31),
]


def test_usual_comparison_is_judge_v0_with_the_best_and_versions_are_in_the_order_of_their_numbers() -> None:
    choices, chosen = choose(SCORES, "judge-v2", None, None, None, STRICT)
    assert choices.judges == ("judge-v0", "judge-v2", "judge-v10")
    assert choices.protocols == (STRICT, BOTH_ORDERS_MEAN)
    assert chosen == Chosen(older="judge-v0", newer="judge-v2", benchmark="b", protocol=STRICT)
    assert choose(SCORES, "judge-v0", None, None, None, STRICT)[1].newer == "judge-v10"


def test_choice_that_does_not_exist_falls_back_to_the_usual_one() -> None:
    chosen = choose(SCORES, "judge-v2", "judge-v9", "<script>", "vl-rewardbench", "strict")[1]
    assert chosen.protocol == "vl-rewardbench-official", "the only one that was measured there"
    assert (chosen.older, chosen.newer) == ("judge-v0", "judge-v0")


def test_figure_draws_one_protocol_and_one_benchmark_only_and_the_blind_control_of_the_newer_version() -> None:
    chosen = Chosen(older="judge-v0", newer="judge-v10", benchmark="b", protocol=STRICT)
    table = Table(SCORES, chosen)
    figure = view.accuracy_figure(table, chosen, "judge-v2")
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [len(line.y) for line in lines] == [3]
    names = {words.control_name(row.judge) for row in table.controls("judge-v10")}
    assert names == {"shorter wins", "image-blind v10"}
    dashed = [trace for trace in figure.data if trace.line.dash]
    assert sorted(trace.y[0] for trace in dashed) == [0.25, 0.3, 0.57]


def test_wrong_image_control_of_the_newer_version_stands_beside_it_else_that_of_the_base() -> None:
    chosen = Chosen(older="judge-v0", newer="judge-v10", benchmark="b", protocol=STRICT)
    rows = [*SCORES, score("control:wrong-image"), score("control:text-only")]
    names = {words.control_name(row.judge) for row in Table(rows, chosen).controls("judge-v10")}
    assert names == {"shorter wins", "image-blind v10", "wrong-image v0", "text only"}
    rows.append(score("control:wrong-image:judge-v10"))
    names = {words.control_name(row.judge) for row in Table(rows, chosen).controls("judge-v10")}
    assert names == {"shorter wins", "image-blind v10", "wrong-image v10", "text only"}


def test_leak_is_said_in_words_of_the_chosen_benchmark_alone() -> None:
    chosen = Chosen(older="judge-v0", newer="judge-v10", benchmark="b", protocol=STRICT)
    clean = [
        score("control:text-only", BOTH_ORDERS_MEAN),
        score("control:text-only", BOTH_ORDERS_MEAN, "c", "all", 0.9),
    ]
    assert view.leak_notes(clean, chosen) == ""
    leaky = [score("control:text-only", BOTH_ORDERS_MEAN, accuracy=0.7)]
    assert "sees the texts alone names the preferred response in 70.0%" in view.leak_notes(leaky, chosen)


def test_interval_and_test_that_disagree_are_said_to_disagree() -> None:
    odd = Gain(gain=0.1, low=0.02, high=0.2, p=0.08, n=20)
    result = Compared(gains={"all": odd, "count": odd}, changes=(), items=20)
    chosen = Chosen(older="judge-v0", newer="judge-v2", benchmark="b", protocol=STRICT)
    sentence = view.accuracy_sentence(Table(SCORES, chosen), chosen, result, "judge-v0", is_promoted=False)
    assert "is not clear: interval and test do not both exclude zero." in sentence
    assert view.dimension_sentence(result) == (
        "No dimension changed clearly: none has interval and test both excluding zero."
    )


def test_control_within_the_interval_is_said_below_the_chart() -> None:
    chosen = Chosen(older="judge-v0", newer="judge-v2", benchmark="b", protocol=STRICT)
    sentence = view.accuracy_sentence(
        Table(SCORES, chosen), chosen, compare_verdicts([], [], STRICT), "judge-v2", is_promoted=False
    )
    assert "judge-v2 is the best version (named by the statistics)." in sentence
    assert "The control “shorter wins” reaches 0.57, within the interval of judge-v2" in sentence


# --- the tab over files ------------------------------------------------------------------------------------------


def text_of(shown: tab.VersionsShown) -> str:
    return "\n".join(shown.cards)


def test_tab_compares_two_versions_of_a_run_from_its_files(page: Page) -> None:
    shown = show_versions(page, "shapes-01", VersionsPlace())
    assert (shown.chosen.older, shown.chosen.newer) == ("judge-v0", "judge-v1")
    assert shown.counts == {"worse": 1, "better": 1, "other": 0}
    assert "Held-out question 2?" in text_of(shown)
    assert f"{image_id(2)}.png" in text_of(shown)
    assert "Held-out question 1?" not in text_of(shown)
    better = show_versions(page, "shapes-01", VersionsPlace(change="better"))
    assert "Held-out question 1?" in text_of(better)
    assert "judge-studio compare shapes-01/judge-v0 shapes-01/judge-v1" in text_of(shown).replace(" \\\n ", "")


def test_changed_item_leads_to_both_reasonings_in_compare(page: Page) -> None:
    shown = show_versions(page, "shapes-01", VersionsPlace())
    link = html.unescape(shown.cards[6].split('href="')[1].split('"')[0])
    assert dict(parse_qsl(link.lstrip("?"))) == {
        "tab": "compare", "run": "shapes-01", "compare.sides": "shapes-01/judge-v0,shapes-01/judge-v1",
        "compare.benchmark": "held-out", "compare.view": "items", "compare.change": "worse", "compare.item": "item-2",
    }  # fmt: skip


def test_page_beyond_the_last_shows_the_last(page: Page) -> None:
    assert "Held-out question 2?" in text_of(show_versions(page, "shapes-01", VersionsPlace(page=99_999)))


def test_run_without_scores_and_no_run_say_what_comes_first(page: Page, workspace: Workspace) -> None:
    empty = "Only judge-v0 so far: the first comparison comes after iteration 1."
    assert "No run yet." in text_of(show_versions(page, None, VersionsPlace()))
    (workspace.run("new").folder).mkdir()
    assert empty in text_of(show_versions(page, "new", VersionsPlace()))


def test_every_update_has_its_component(page: Page) -> None:
    shown = show_versions(page, "shapes-01", VersionsPlace())
    updates = tab._updates(shown, "shapes-01", ())
    again = tab._updates(shown, "shapes-01", updates[-2])
    assert len(updates) == len(again) == 7 + 1 + 2 + len(shown.cards) + 2
    skipped = [update for update in again if update == gr.skip()]
    assert len(skipped) >= len(shown.cards) + 2, "what did not change is not sent again"


def test_another_run_begins_on_its_first_page_without_an_item(workspace: Workspace) -> None:
    with gr.Blocks(analytics_enabled=False) as app:
        tab.build(create_page(workspace))
    redraw = next(listener.fn for listener in app.fns.values() if listener.name == "redraw")
    place = ["judge-v0", "judge-v1", "b", STRICT, "worse", "1"]
    same, other = (
        redraw("shapes-01", *place, (), (run, "judge-v0", "judge-v1"), "0", (0, None)) for run in ("shapes-01", "copy")
    )
    assert same[0] == gr.skip()
    assert other[0] == ""


def test_tab_can_be_built_twice_in_one_process(workspace: Workspace) -> None:
    for _ in range(2):
        with gr.Blocks(analytics_enabled=False):
            tab.build(create_page(workspace))


# --- promoting and exporting -------------------------------------------------------------------------------------


def test_promoted_version_is_what_run_best_means_until_it_is_unpromoted(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    assert "now means judge-v0" in promote_or_demote(workspace, "shapes-01", "judge-v0", wanted=True)
    assert promoted_version(run) == best_judge(run) == "judge-v0"
    assert resolve_judge("shapes-01/best", workspace).version == "judge-v0"
    assert "again the version that the statistics name, judge-v1" in promote_or_demote(
        workspace, "shapes-01", "judge-v0", wanted=False
    )
    assert resolve_judge("shapes-01", workspace).version == "judge-v1"


def test_second_visitors_promote_or_unpromote_does_what_the_button_says(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    for _ in range(2):
        assert "now means judge-v1" in promote_or_demote(workspace, "shapes-01", "judge-v1", wanted=True)
    promote(run, "judge-v0")
    assert "best is judge-v0, which somebody chose" in promote_or_demote(
        workspace, "shapes-01", "judge-v1", wanted=False
    )
    assert promoted_version(run) == "judge-v0"


@pytest.mark.parametrize("shown", [tab.TAB, training.TAB, live.TAB], ids=lambda shown: shown.key)
def test_promotion_by_another_visitor_draws_the_tab_again(workspace: Workspace, shown: Tab) -> None:
    now = Moment(workspace=workspace, run="shapes-01", active=())
    before = signature(now, shown.watches)
    promote(workspace.run("shapes-01"), "judge-v1")
    assert signature(now, shown.watches) != before


@pytest.mark.parametrize("judge", ["judge-v7", "judge-v01", "../x", "judge-v²", "", None])
def test_version_that_is_not_there_is_not_promoted(workspace: Workspace, judge: str | None) -> None:
    assert "there is no" in promote_or_demote(workspace, "shapes-01", judge, wanted=True)
    assert promoted_version(workspace.run("shapes-01")) is None


def test_promotion_of_a_version_that_was_deleted_no_longer_counts(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    promote(run, "judge-v1")
    (run.adapter(1) / "adapter_config.json").unlink()
    assert promoted_version(run) is None


def test_export_is_the_commands_own_folder_in_a_zip(tmp_path: Path) -> None:
    run = made_run(tmp_path / "made", save_tiny_llava(tmp_path / "base"))
    path = judge_zip(run.workspace, run.name, "judge-v1")
    names = {name.partition("/")[2] for name in zipfile.ZipFile(path).namelist()}
    assert names == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "judge.json",
        "judge.py",
        "prompts.yaml",
    }


@pytest.mark.parametrize(("run", "judge"), [("shapes-01", "judge-v9"), ("nope", "judge-v1"), ("shapes-01", "--help")])
def test_export_that_cannot_be_is_one_sentence(workspace: Workspace, run: str, judge: str) -> None:
    with pytest.raises(JudgeStudioError) as error:
        judge_zip(workspace, run, judge)
    assert "Traceback" not in str(error.value)
    assert str(error.value).endswith(".")


def test_orders_are_those_of_the_engine() -> None:
    assert ORDERS == ("AB", "BA")
