import pytest

from studio.look.cards import Html, element, esc, image_url, local_url, picture, press
from studio.look.cards.markup import clip


@pytest.mark.parametrize(
    "url", ["?tab=pairs&run=a%20b", "/gradio_api/file=workspace/images/3f/3fa1.png", "#top", "a/b"]
)
def test_local_url_of_this_server_is_kept(url: str) -> None:
    assert local_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        "//evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "/\\evil.example",
        "\\\\evil.example",
        "/a b",
        '/a"b',
        "/a\nb",
        "\t//evil.example",
        "data:text/html,x",
        "/ä",
    ],
)
def test_local_url_that_could_leave_this_server_is_refused(url: str | None) -> None:
    assert local_url(url) is None


def test_image_url_takes_inline_bitmaps_but_no_svg() -> None:
    assert image_url("data:image/png;base64,iVBORw0KGgo=") is not None
    assert image_url("data:image/svg+xml;base64,PHN2Zy8+") is None
    assert image_url("data:image/png;base64,x'onload=") is None


def test_picture_of_another_server_asks_for_nothing_and_says_its_name() -> None:
    shown = picture("https://evil.example/x.png", "Image of pair 9f3c1a")

    assert "evil" not in shown
    assert 'aria-label="Image of pair 9f3c1a"' in shown


def test_picture_of_a_small_drawing_is_enlarged_with_hard_edges() -> None:
    assert "is-small" in picture("/a.png", "", width=48)
    assert "is-small" not in picture("/a.png", "", width=640)


def test_picture_that_can_be_enlarged_is_a_link_to_itself() -> None:
    shown = picture("/a.png", "Image of the pair", zoom=True)

    assert 'href="/a.png"' in shown
    assert "data-zoom" in shown
    assert 'aria-label="Enlarge: Image of the pair"' in shown


def test_press_with_a_local_url_is_a_link_without_act_and_else_a_button() -> None:
    link = press(esc("x"), act="open", key="7", url="?run=a", class_="c")
    button = press(esc("x"), act="open", key="7", url="//evil", class_="c")

    assert link == '<a class="c" href="?run=a">x</a>' or link == '<a href="?run=a" class="c">x</a>'
    assert "<a" not in button
    assert 'data-act="open"' in button
    assert 'data-id="7"' in button


def test_element_leaves_out_false_attributes_and_writes_true_ones_alone() -> None:
    assert element("button", Html("x"), disabled=True, hidden=False, title=None) == "<button disabled>x</button>"


def test_escaped_text_is_cut_before_it_is_escaped() -> None:
    assert esc("&" * 50, limit=3) == "&amp;&amp;…"


def test_clip_of_a_text_that_fits_changes_nothing() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "ab…"


def test_picture_of_any_size_keeps_all_its_data_and_other_values_are_cut() -> None:
    photo = "data:image/jpeg;base64," + "A" * 300_000
    assert photo in element("img", src=photo, alt="x" * 30_000)
    assert "x" * 20_000 not in element("img", src=photo, alt="x" * 30_000)
    odd = photo + '" onerror="x'
    assert odd not in element("img", src=odd)
