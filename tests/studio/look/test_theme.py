import re

from studio.look.theme import _PLAIN, _TOKENS, StudioTheme, style_sheet


def test_theme_points_every_colour_at_a_token_of_the_sheet_in_both_modes() -> None:
    theme, defined = StudioTheme(), set(re.findall(r"--st-([a-z0-9-]+):", style_sheet()))

    for name, token in _TOKENS.items():
        assert token in defined
        assert getattr(theme, name) == f"var(--st-{token})"
        assert getattr(theme, f"{name}_dark", f"var(--st-{token})") in (None, f"var(--st-{token})")


def test_theme_has_no_shadow_and_asks_for_no_font_of_another_server() -> None:
    theme = StudioTheme()

    assert all(getattr(theme, name) == value for name, value in _PLAIN.items())
    assert theme._stylesheets == []
    assert theme._font_css == []
