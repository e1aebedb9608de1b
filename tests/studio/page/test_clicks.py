"""No click on a card is lost: not to the answer of the click before, not to a redraw that comes late."""

from pathlib import Path

import gradio as gr

from engine.workspace.folders import open_workspace
from studio.app import build_app
from studio.page.clicks import Clicks

ONE_BUTTON = {"confirmed", "look_again", "time_reply"}
"""Listeners of cards with a single button that starts something slow: its second press is to be dropped."""


def test_redraw_asked_for_before_a_click_leaves_what_was_clicked() -> None:
    with gr.Blocks(analytics_enabled=False):
        clicks = Clicks(["item"])

    def act(event: gr.EventData, run: str, item: str) -> list[str]:
        return [f"{run} {item} {getattr(event, 'act')}"]  # noqa: B009

    redraw = clicks.redrawn(lambda run, item: [f"{run} {item}"])
    event = gr.EventData(None, {"act": "open"})

    clicked, seen, known = clicks.counted(act)(event, "a", "p1", "0", (0, None))
    assert (clicked, seen, known) == ("a p1 open", "1", (1, "a"))
    assert redraw("a", "p0", "0", known) == [gr.skip()] * 3
    assert redraw("a", "p1", seen, known)[0] == "a p1", "asked for after the click"
    assert redraw("b", "p0", "0", known)[0] == "b p0", "another run was chosen after the click"
    assert redraw("a", "p0", "nonsense", known)[0] == "a p0"


def test_press_of_one_button_of_a_card_is_not_dropped_while_another_is_answered(tmp_path: Path) -> None:
    app, _ = build_app(open_workspace(tmp_path))
    listeners = {
        function.name: function.trigger_mode
        for function in app.fns.values()
        for target, event in function.targets
        if event == "click" and isinstance(app.blocks.get(target), gr.HTML)
    }
    assert len(listeners) > 10
    dropping = {name for name, mode in listeners.items() if mode != "multiple"}
    assert dropping == ONE_BUTTON


def test_what_follows_a_redraw_is_not_dropped_while_that_of_the_redraw_before_is_at_work(tmp_path: Path) -> None:
    app, _ = build_app(open_workspace(tmp_path))
    chained = [one for one in app.fns.values() if one.trigger_after is not None and one.fn is not None]
    assert len(chained) > 3
    assert [one.name for one in chained if one.trigger_mode == "once"] == []


OUT_OF_TURN = {"_cleared", "copy", "removed", "tell", "time_reply"}
"""Listeners beside a redraw that may be answered in any order: each writes what that redraw does not change by itself,
or is too slow for others to wait for."""


def test_cards_and_filters_are_answered_in_turn_with_the_redraw_that_writes_the_same(tmp_path: Path) -> None:
    app, _ = build_app(open_workspace(tmp_path))
    listeners = [one for one in app.fns.values() if one.fn is not None]
    pressed = [
        one
        for one in listeners
        for target, event in one.targets
        if event == "input" or (event == "click" and isinstance(app.blocks.get(target), gr.HTML))
    ]
    redraws = [
        one
        for one in listeners
        for target, _ in one.targets
        if isinstance(app.blocks.get(target), gr.State) and one.name != "placed"  # once, before anybody pressed
    ]
    assert len(redraws) > 10
    assert len(pressed) > 20
    astray = {
        one.name
        for redraw in redraws
        for one in pressed
        if {written._id for written in one.outputs} & {written._id for written in redraw.outputs}
        and one.concurrency_id != redraw.concurrency_id
    }
    assert astray == OUT_OF_TURN
