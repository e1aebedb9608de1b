"""A redraw that was asked for before a click and comes after it changes nothing."""

import gradio as gr

from studio.page.clicks import Clicks


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
