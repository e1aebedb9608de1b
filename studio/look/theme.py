"""The Gradio theme: every variable of Gradio points at one of our CSS tokens, so light and dark have one source.

The tokens and everything else about the look are in assets/style.css.
"""

import gradio as gr

from engine.assets import assets_folder

SANS = ["-apple-system", "BlinkMacSystemFont", "Segoe UI", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SF Mono", "Cascadia Mono", "Menlo", "Consolas", "Liberation Mono", "monospace"]

_TOKENS: dict[str, str] = {
    "body_background_fill": "paper",
    "body_text_color": "ink",
    "body_text_color_subdued": "ink2",
    "background_fill_primary": "panel",
    "background_fill_secondary": "sunk",
    "border_color_primary": "line",
    "border_color_accent": "accent",
    "color_accent": "accent",
    "border_color_accent_subdued": "line",
    "color_accent_soft": "accent-soft",
    "link_text_color": "accent",
    "link_text_color_hover": "accent",
    "link_text_color_active": "accent",
    "link_text_color_visited": "accent",
    "code_background_fill": "sunk",
    "block_title_text_color": "ink2",
    "block_label_text_color": "ink2",
    "block_label_background_fill": "panel",
    "block_label_border_color": "line",
    "block_info_text_color": "ink3",
    "input_background_fill": "panel",
    "input_background_fill_focus": "panel",
    "input_background_fill_hover": "panel",
    "input_border_color": "edge",
    "input_border_color_hover": "edge",
    "input_border_color_focus": "accent",
    "input_placeholder_color": "ink3",
    "accordion_text_color": "ink",
    "button_primary_background_fill": "accent",
    "button_primary_background_fill_hover": "accent",
    "button_primary_border_color": "accent",
    "button_primary_border_color_hover": "accent",
    "button_primary_text_color": "on-accent",
    "button_primary_text_color_hover": "on-accent",
    "button_secondary_background_fill": "panel",
    "button_secondary_background_fill_hover": "sunk",
    "button_secondary_border_color": "edge",
    "button_secondary_border_color_hover": "edge",
    "button_secondary_text_color": "ink",
    "button_secondary_text_color_hover": "ink",
    "button_cancel_background_fill": "panel",
    "button_cancel_background_fill_hover": "rejected-soft",
    "button_cancel_border_color": "rejected",
    "button_cancel_border_color_hover": "rejected",
    "button_cancel_text_color": "rejected",
    "button_cancel_text_color_hover": "rejected",
    "checkbox_background_color": "panel",
    "checkbox_background_color_focus": "panel",
    "checkbox_background_color_hover": "panel",
    "checkbox_background_color_selected": "accent",
    "checkbox_border_color": "edge",
    "checkbox_border_color_focus": "accent",
    "checkbox_border_color_hover": "edge",
    "checkbox_border_color_selected": "accent",
    "checkbox_label_background_fill": "panel",
    "checkbox_label_background_fill_hover": "sunk",
    "checkbox_label_background_fill_selected": "accent-soft",
    "checkbox_label_border_color": "edge",
    "checkbox_label_border_color_hover": "edge",
    "checkbox_label_border_color_selected": "edge",
    "checkbox_label_text_color": "ink2",
    "checkbox_label_text_color_selected": "accent",
    "error_background_fill": "rejected-soft",
    "error_border_color": "rejected",
    "error_text_color": "rejected",
    "error_icon_color": "rejected",
    "slider_color": "accent",
    "loader_color": "accent",
    "stat_background_fill": "accent-soft",
    "table_border_color": "line",
    "table_even_background_fill": "panel",
    "table_odd_background_fill": "panel",
    "table_row_focus": "sunk",
    "table_text_color": "ink",
}
"""Gradio variable → our token, without its `--st-`. Set for light and for dark alike."""

_PLAIN: dict[str, str] = {
    "block_background_fill": "transparent",
    "block_border_width": "0px",
    "block_shadow": "none",
    "panel_background_fill": "transparent",
    "panel_border_width": "0px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "checkbox_shadow": "none",
    "checkbox_label_shadow": "none",
    "button_primary_shadow": "none",
    "button_primary_shadow_hover": "none",
    "button_secondary_shadow": "none",
    "button_secondary_shadow_hover": "none",
}
"""Variables with the same plain value in both modes."""

_SIZES: dict[str, str] = {
    "block_title_text_size": "12px",
    "block_title_text_weight": "400",
    "block_info_text_size": "12px",
    "block_padding": "0px",
    "block_radius": "0px",
    "input_border_width": "1px",
    "checkbox_border_width": "1px",
    "checkbox_label_border_width": "1px",
    "layout_gap": "14px",
    "form_gap_width": "12px",
    "input_text_size": "14px",
    "input_radius": "6px",
    "input_padding": "7px 10px",
    "button_border_width": "1px",
    "button_large_radius": "6px",
    "button_medium_radius": "6px",
    "button_small_radius": "6px",
    "button_large_text_weight": "500",
    "button_medium_text_weight": "500",
    "button_small_text_weight": "500",
    "button_large_text_size": "14px",
    "button_medium_text_size": "14px",
    "button_small_text_size": "13px",
    "button_large_padding": "9px 14px",
    "button_medium_padding": "7px 13px",
    "button_small_padding": "4px 9px",
    "button_transform_active": "none",
    "button_transform_hover": "none",
    "button_transition": "none",
    "checkbox_label_padding": "6px 11px",
    "checkbox_label_gap": "8px",
    "checkbox_label_text_size": "13px",
    "checkbox_border_radius": "3px",
}
"""Variables that Gradio has once, for both modes."""


class StudioTheme(gr.themes.Base):
    """Gradio's base theme with system fonts and our tokens. Pass it to `launch(theme=…, css=style_sheet())`."""

    def __init__(self) -> None:
        super().__init__(font=SANS, font_mono=MONO)
        values = {name: f"var(--st-{token})" for name, token in _TOKENS.items()} | _PLAIN
        known = set(_variables(self))
        both = values | {f"{name}_dark": value for name, value in values.items() if f"{name}_dark" in known}
        self.set(**both, **_SIZES)


def _variables(theme: gr.themes.Base) -> list[str]:
    """Names of every variable this Gradio version's themes have."""
    return [name for name in vars(theme) if not name.startswith("_")]


def style_sheet() -> str:
    """The text of assets/style.css, for `launch(css=…)`."""
    return (assets_folder() / "style.css").read_text(encoding="utf-8")
