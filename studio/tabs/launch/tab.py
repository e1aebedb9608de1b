"""The Launch tab: set up a run and start it, or watch, stop and resume the chosen one. Layout and wiring only."""

import gradio as gr

from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.page import Page, Tab
from studio.tabs.launch.chosen import LaunchPlaces, connect_run
from studio.tabs.launch.editing import connect_form
from studio.tabs.launch.form import lay_out_form
from studio.tabs.launch.starting import PREVIEW_PAIRS, Starting, connect_starting


def build(page: Page) -> None:
    """Lay out the Launch tab and connect its events. Call it inside the app's gr.Tab."""
    choices = [("New run", "new"), ("The chosen run", "run")]
    view = gr.Radio(choices, value="new", show_label=False, container=False, elem_classes="st-seg")
    page.url.bind("launch.view", view)
    message = card_html(visible=False)
    with gr.Row(equal_height=False, elem_classes="st-gap") as new:
        with gr.Column(scale=3, min_width=320):
            form = lay_out_form(page.workspace)
            command = card_html()
        with gr.Column(scale=2, min_width=300):
            start = gr.Button("Start the run", variant="primary", elem_classes="st-btn-main")
            refused = card_html(visible=False, asks=True)  # where the press was: on a phone the top is far away
            preview = gr.Button(f"Preview {PREVIEW_PAIRS} pairs first")
            plan = card_html()
    previewed = card_html(visible=False)
    with gr.Row(visible=False, equal_height=False, elem_classes="st-gap") as old:
        with gr.Column(scale=2, min_width=320):
            about = card_html()
        with gr.Column(scale=1, min_width=300):
            run_now = card_html()
    parts = Starting(
        start=start, preview=preview, message=message, refused=refused, previewed=previewed, plan=plan, command=command
    )
    connect_form(page, form, plan, command, told=message, refused=refused)
    connect_starting(page, form, parts, view)
    places = LaunchPlaces(
        view=view, new=new, old=old, plan=plan, command=command, about=about, run_now=run_now, message=message,
        previewed=previewed,
    )  # fmt: skip
    connect_run(page, form, places)


TAB = Tab(key="launch", label="Launch", build=build, watches=(pulse.clock, pulse.all_runs))
