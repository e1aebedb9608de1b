"""The Live judge tab as a table of contents: one comparison by up to four judge versions, and files of many below."""

import gradio as gr

from studio.page import pulse
from studio.page.page import Page, Tab
from studio.tabs.live import batches, filling, judged, judging, sight
from studio.tabs.live.components import lay_out_beside, lay_out_form


def build(page: Page) -> None:
    """Lay out the Live judge tab and connect its events. Call it inside the app's gr.Tab."""
    with gr.Row(equal_height=False, elem_classes="st-gap"):
        with gr.Column(scale=0, min_width=420, elem_classes="st-live-form"):
            form = lay_out_form(page)
        with gr.Column(scale=1, min_width=320):
            beside = lay_out_beside(page)
    judging.connect(page, form, beside)
    filling.connect(page, form, beside)
    sight.connect(page, form, beside)
    judged.build(page, batches.build(page, form.judges))


TAB = Tab(key="live", label="Live judge", build=build, watches=(pulse.clock, pulse.all_runs))
