"""Signatures that are kept are those the constructors have."""

import inspect

import gradio as gr

from studio.server.signatures import remember_signatures


def test_kept_signature_names_the_constructors_own_arguments() -> None:
    remember_signatures()
    for kind in (gr.HTML, gr.Textbox, gr.Row, gr.Blocks):
        made_by = inspect.unwrap(kind.__init__)
        code = made_by.__code__
        named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        assert set(named) <= set(inspect.signature(kind.__init__).parameters)
        assert made_by.__signature__ is not None


def test_component_is_described_as_before() -> None:
    remember_signatures()
    box = gr.Textbox("words", label="Search", max_lines=3, render=False)
    described = box.get_config()
    assert (described["value"], described["label"], described["max_lines"]) == ("words", "Search", 3)
