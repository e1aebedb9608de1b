"""The Traces tab without a browser: funnel, rulings, links, and the replay of select."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import SelectSettings
from engine.errors import UsageError
from engine.workspace.catalog.database import Catalog, open_catalog
from engine.workspace.folders import Workspace, open_workspace
from studio.queries import notes
from studio.queries.notes import toggle_mark
from studio.queries.traces import BothOrders, TraceFilter, TraceRow, rulings_page
from studio.tabs.traces import replay as replays
from studio.tabs.traces.funnel import funnel_steps
from studio.tabs.traces.place import TracesPlace, turn
from studio.tabs.traces.replay import replay, stored_settings
from studio.tabs.traces.replay_panel import _REPLAYED, launch_with, replay_card
from studio.tabs.traces.view import TracesShown, fate_of, read_mark, show_traces
from tests.sample_workspace import make_workspace, pair_id

RUN = "shapes-01"
NONE_SAID = {"right": 0, "wrong": 0, "tie": 0, "invalid": 0}


def url(path: str | None) -> str | None:
    return f"file/{path}" if path else None


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "ws")


@pytest.fixture
def catalog(workspace: Workspace) -> Catalog:
    return open_catalog(workspace)


def show(catalog: Catalog, place: TracesPlace) -> TracesShown:
    return show_traces(catalog, catalog.workspace, url, RUN, place)


def half(order: str, verdict: str, reason: str | None) -> TraceRow:
    return TraceRow(
        pair_id="p", judge="judge-v0", order=order, sample=0, reasoning="", verdict=verdict,
        kept=None if reason is None else reason == "agrees", reason=reason, tokens=1,
    )  # fmt: skip


def ruling(ab: TraceRow | None, ba: TraceRow | None) -> BothOrders:
    return BothOrders(iteration=1, pair_id="p", sample=0, samples=1, pair=None, ab=ab, ba=ba)


def test_workspace_without_traces_says_when_they_come(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    now = show_traces(open_catalog(workspace), workspace, url, None, TracesPlace())
    assert "No rulings yet. Judge starts after synthesize." in now.list


def test_funnel_takes_away_what_select_rejected_in_its_order() -> None:
    steps = funnel_steps({"agrees": 50, "wrong": 20, "order-flip": 10, "invalid": 5, "capped": 15}, NONE_SAID)
    assert [(step.key, step.left, step.lost) for step in steps] == [
        ("", 100, 0), ("invalid", 95, 5), ("wrong", 75, 20), ("order-flip", 65, 10), ("capped", 50, 15), ("kept", 50, 0)
    ]  # fmt: skip


def test_funnel_before_select_counts_verdicts_only() -> None:
    steps = funnel_steps({"waiting": 10}, {"right": 6, "wrong": 3, "tie": 0, "invalid": 1})
    assert [(step.key, step.left) for step in steps] == [("", 10), ("invalid", 9), ("wrong", 6)]


def test_page_shows_the_funnel_with_judge_and_rule(catalog: Catalog) -> None:
    now = show(catalog, TracesPlace(iteration="1"))
    assert "Iteration 1, ruled on by judge-v0, rule: joint" in now.funnel
    assert "Ruled: 32 left" in now.funnel
    assert "Trained: 12 left" in now.funnel
    assert "<b>32 traces</b>, showing 1 to 24" in now.head
    newest = show(catalog, TracesPlace())
    assert newest.place.iteration == "2"
    assert "32 traces not selected yet" in newest.funnel


def test_funnel_beside_another_iteration_shows_both_shares(catalog: Catalog) -> None:
    now = show(catalog, TracesPlace(iteration="1", compare="2"))
    assert "iteration 2: 32" in now.funnel
    assert "88 %, iteration 2: 94 %" in now.funnel
    assert now.compares == (("–", ""), ("2", "2"))


def test_reason_filter_shows_its_traces_and_marks_its_step(catalog: Catalog) -> None:
    now = show(catalog, TracesPlace(iteration="1", reason="order-flip"))
    assert "<b>4 traces</b>" in now.head
    assert now.list.count("rejected: order-flip") >= 2
    assert "The first response won in both orders." in now.list
    assert "is-on" in now.funnel
    assert ("order-flip 4", "order-flip") in now.reasons


@pytest.mark.parametrize(
    ("ab", "ba", "asked", "code"),
    [
        (half("AB", "A", "agrees"), half("BA", "B", "agrees"), "", "kept"),
        (half("AB", "A", "agrees"), half("BA", "B", "surplus"), "", "kept"),
        (half("AB", "A", "agrees"), half("BA", "B", "surplus"), "surplus", "surplus"),
        (half("AB", "A", "order-flip"), half("BA", "A", "wrong"), "", "order-flip"),
        (half("AB", "A", "order-flip"), half("BA", "A", "wrong"), "wrong", "wrong"),
        (half("AB", "B", "wrong"), half("BA", "A", "wrong"), "", "wrong"),
        (half("AB", "A", "order-flip"), half("BA", "invalid", "invalid"), "", "invalid"),
        (half("AB", "A", "capped"), None, "", "capped"),
        (half("AB", "A", None), half("BA", "B", None), "", None),
        (None, None, "", None),
    ],
)
def test_fate_of_a_ruling_names_what_was_asked_then_the_kept_then_the_graver(
    ab: TraceRow | None, ba: TraceRow | None, asked: str, code: str | None
) -> None:
    assert fate_of(ruling(ab, ba), asked)[0] == code


def test_halves_that_ended_differently_say_so_in_words() -> None:
    said = fate_of(ruling(half("AB", "A", "agrees"), half("BA", "B", "surplus")))[1]
    assert said == "Order AB is kept, order BA is rejected: surplus."


def test_ruling_links_to_its_pair(catalog: Catalog) -> None:
    now = show(catalog, TracesPlace(iteration="1", pair=pair_id(1, 2)))
    assert f"pairs.item=1-{pair_id(1, 2)}" in now.list
    assert "Only pair" in now.head
    assert "<b>4 traces</b>" in now.head


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", "' or 1=1 --", "-1", "9" * 30, "\x00"])
@pytest.mark.parametrize(
    "name", ["fate", "reason", "order", "verdict", "judge", "dimension", "iteration", "compare", "pair", "at"]
)
def test_any_value_of_the_url_gives_a_page_without_its_markup(catalog: Catalog, name: str, value: str) -> None:
    now = show(catalog, replace(TracesPlace(), **{name: value}))
    assert "<script" not in now.list + now.head + now.funnel
    assert "&lt;script&gt;" in show(catalog, TracesPlace(iteration="1", pair=pair_id(1, 3))).list


def test_turning_pages_shows_every_trace(catalog: Catalog) -> None:
    place = TracesPlace(iteration="1")
    place = turn(catalog, RUN, place, forward=True)
    assert "showing 25 to 32" in show(catalog, place).head
    assert turn(catalog, RUN, place, forward=True) == place
    back = turn(catalog, RUN, place, forward=False)
    assert "showing 1 to 24" in show(catalog, back).head


# --- replay --------------------------------------------------------------------------------------------------


def test_replay_with_other_rule_keeps_what_select_would_keep(catalog: Catalog) -> None:
    settings = SelectSettings(rule="per-order", max_per_pair=8, balance=False)
    outcome = replay(catalog, catalog.workspace, RUN, 1, settings)
    assert outcome.stored is not None
    assert (outcome.stored["agrees"], outcome.replayed["agrees"]) == (12, 24)
    assert (outcome.gained, outcome.lost, outcome.traces) == (12, 0, 32)
    assert outcome.replayed_pairs == 7
    assert sum(outcome.replayed_kept.values()) == 24
    html = replay_card(outcome, settings, run=RUN, iteration=1)
    assert "shapes-01, iteration 1: with these settings" in html
    assert "24 of 32 traces would be trained on instead of 12: 12 more, 0 fewer" in html


def test_replay_before_select_has_nothing_to_compare_with(catalog: Catalog) -> None:
    outcome = replay(catalog, catalog.workspace, RUN, 2, stored_settings(catalog.workspace, RUN))
    assert outcome.stored is None
    assert outcome.replayed["agrees"] > 0
    settings = stored_settings(catalog.workspace, RUN)
    assert "instead of" not in replay_card(outcome, settings, run=RUN, iteration=2)


def test_replay_leaves_out_what_is_flagged_now(catalog: Catalog) -> None:
    notes.set_flag(catalog.workspace, RUN, pair_id(1, 0), True)
    settings = stored_settings(catalog.workspace, RUN)
    assert replay(catalog, catalog.workspace, RUN, 1, settings).replayed["flagged"] == 4
    without = settings.model_copy(update={"exclude_flagged": False})
    assert "flagged" not in replay(catalog, catalog.workspace, RUN, 1, without).replayed


def test_replay_of_too_many_traces_is_refused_with_what_to_do(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "MOST_TRACES", 10)
    with pytest.raises(UsageError, match="more than 10 traces"):
        replay(catalog, catalog.workspace, RUN, 1, SelectSettings())


def test_replay_changes_nothing_on_disk(catalog: Catalog) -> None:
    before = rulings_page(catalog, TraceFilter(run=RUN, iteration=1)).total
    files = sorted(path for path in catalog.workspace.root.rglob("*") if path.is_file())
    replay(catalog, catalog.workspace, RUN, 1, SelectSettings(max_per_pair=4))
    assert sorted(path for path in catalog.workspace.root.rglob("*") if path.is_file()) == files
    assert rulings_page(catalog, TraceFilter(run=RUN, iteration=1)).total == before


def test_text_length_beginning_and_marks_narrow_the_list(catalog: Catalog, workspace: Workspace) -> None:
    place = TracesPlace(iteration="1")
    assert "32 traces" in show(catalog, replace(place, text="I SEE A STAR")).head
    assert "4 traces" in show(catalog, replace(place, text="number 4")).head, "in what the reasoning is about"
    assert "No trace matches" in show(catalog, replace(place, text="nowhere")).list
    assert "32 traces" in show(catalog, replace(place, length="17-64")).head
    assert "No trace matches" in show(catalog, replace(place, length="257-")).list
    assert "32 traces" in show(catalog, replace(place, template="i see a star. … agrees.")).head
    assert "No trace matches" in show(catalog, replace(place, marked=True)).list
    now = show(catalog, place)
    key = now.list.split('data-act="mark" data-id="')[1].split('"')[0]
    mark = read_mark(key)
    assert mark is not None
    assert toggle_mark(workspace, RUN, mark) is True
    marked = show(catalog, replace(place, marked=True))
    assert "1 trace" in marked.head
    assert "right for the wrong reason" in marked.list
    assert toggle_mark(workspace, RUN, mark) is False


def test_beginnings_are_counted_whichever_response_they_name(catalog: Catalog) -> None:
    now = show(catalog, TracesPlace(iteration="1", group=True))
    assert now.templates.count("<tr>") == 2, "the head and one beginning"
    assert "i see a star. … agrees." in now.templates
    assert show(catalog, TracesPlace(iteration="1")).templates == ""


@pytest.mark.parametrize("key", ["", "1-a-AB", "1-a-XX-0", "x-a-AB-0", "1-a-AB-²"])
def test_key_that_names_no_trace_marks_none(key: str) -> None:
    assert read_mark(key) is None


def test_run_with_the_replayed_selection_keeps_the_runs_other_settings(workspace: Workspace) -> None:
    usual = SelectSettings()
    values = tuple(8 if name == "max_per_pair" else getattr(usual, name) for name in _REPLAYED)
    launch = launch_with(workspace, RUN, values)
    assert launch.overrides == {"select.max_per_pair": 8}
    assert launch.name == "shapes-01-select-01"
