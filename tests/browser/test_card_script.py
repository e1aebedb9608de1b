"""The script of `studio.look.sheet` on cards in a bare page: clicks, copy, zoom and keys, without a server."""

from collections.abc import Iterator
from typing import Any

import pytest

from studio.look import cards
from studio.look.keys import ASK_SCRIPT, CLOSE_SCRIPT, KEY_SCRIPT, WALK_SCRIPT, walked_sheet
from studio.look.sheet import CARD_SCRIPT
from studio.look.theme import style_sheet
from tests.studio.look.cards.every_card import pair

_LOAD = """(script) => {
  window.said = [];
  const trigger = (name, data) => window.said.push([name, data.act, data.id]);
  new Function('element', 'trigger', script)(document.querySelector('#root'), trigger);
}"""


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    opened = chromium.new_page(viewport={"width": 390, "height": 844})
    yield opened
    opened.close()


def _show(page: Any, *parts: cards.Html) -> None:
    page.set_content(f"<style>{style_sheet()}</style><input id='note'><div id='root'>{cards.sheet(*parts)}</div>")
    page.evaluate(_LOAD, CARD_SCRIPT + KEY_SCRIPT + CLOSE_SCRIPT + WALK_SCRIPT)


def _drawer(**changes: Any) -> cards.Html:
    card = pair("x", pair_id="9f3c", src="/a.png", url=None)
    return cards.pair_drawer(cards.PairDetail(card=card, fault="f", **changes))


def test_click_anywhere_on_a_card_reports_its_pair(page: Any) -> None:
    _show(page, cards.pair_grid([pair("x", pair_id='9f"3c', src=None, url=None)]))

    page.locator(".st-card").click(position={"x": 20, "y": 150})

    assert page.evaluate("said") == [["click", "open", '9f"3c']]


def test_question_takes_the_focus_on_its_harmless_answer_and_gives_it_back(page: Any) -> None:
    page.set_content("<button id='delete'>✕</button><div id='root'></div>")
    page.evaluate(_LOAD, ASK_SCRIPT)
    yes, no = cards.Action(label="Delete a", act="delete-yes", key="a"), cards.Action(label="Keep it", act="keep")
    page.locator("#delete").focus()

    page.locator("#root").evaluate(
        "(box, html) => { box.innerHTML = html; }", cards.confirm("Sure?", "…", yes=yes, no=no)
    )
    page.wait_for_function("document.activeElement.dataset.act === 'keep'")
    page.locator("#root").evaluate("box => { box.innerHTML = ''; }")

    page.wait_for_function("document.activeElement.id === 'delete'")


def test_command_scrolls_in_its_box_and_folds_nowhere(page: Any) -> None:
    _show(page, cards.command("judge-studio run --preset shapes --workspace /tmp/one/" + "-long" * 30))

    box = page.locator(".st-cmd")

    assert box.evaluate("box => box.scrollWidth > box.clientWidth && box.clientHeight < 60")
    assert box.evaluate("box => box.getBoundingClientRect().right") <= 390


def test_escape_closes_the_drawer_but_not_while_somebody_types(page: Any) -> None:
    _show(page, _drawer())

    page.locator("#note").focus()
    page.keyboard.press("Escape")
    page.locator("#note").evaluate("box => box.blur()")
    page.keyboard.press("Escape")

    assert [act for _, act, _ in page.evaluate("said")] == ["close"]


def _walk(page: Any) -> None:
    grid = cards.pair_grid([pair("x", pair_id=name, src=None, url=None) for name in ("a", "b", "c")], selected="a")
    _show(page, cards.Html(f"<input type='radio' id='radio'><div class='st-flags'>{grid}</div>"))


def test_keys_move_at_once_and_the_server_hears_of_one_place_at_a_time_and_of_the_last(page: Any) -> None:
    _walk(page)
    chosen = page.locator(".is-on [data-act]")
    for key, now in (("j", "b"), ("j", "c"), ("j", "c"), ("j", "c"), ("k", "c"), ("k", "c"), ("k", "b")):
        page.keyboard.press(key)
        assert chosen.get_attribute("data-id") == now
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("said") == [["click", "move", "b|0|1"]]
    page.evaluate("window.dispatchEvent(new Event('st-answered'))")
    assert page.evaluate("said")[1:] == [["click", "move", "c|1|9"]]


_ARRIVE = "html => { document.querySelector('#list').innerHTML = html; }"


def _list(selected: str, answered: int) -> str:
    grid = cards.pair_grid([pair("x", pair_id=name, src=None, url=None) for name in ("a", "b", "c")], selected=selected)
    return walked_sheet(grid, answered=answered)


def test_list_of_an_earlier_answer_never_takes_the_mark_back(page: Any) -> None:
    _show(page, cards.Html(f"<div id='list'>{_list('a', 0)}</div>"))
    chosen = page.locator(".is-on [data-act]")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.evaluate(_ARRIVE, _list("b", 1))  # the answer to the first press
    assert chosen.get_attribute("data-id") == "c"
    page.evaluate("window.dispatchEvent(new Event('st-answered'))")  # before its list is there, as on a busy machine
    page.keyboard.press("k")
    page.evaluate(_ARRIVE, _list("c", 2))
    assert chosen.get_attribute("data-id") == "b"
    page.evaluate(_ARRIVE, _list("b", 3))
    page.evaluate(_ARRIVE, _list("a", 3))  # nothing is open any more: what the server says is shown
    assert chosen.get_attribute("data-id") == "a"
    assert [key for _, _, key in page.evaluate("said")] == ["b|0|1", "c|0|2", "b|0|3"]


def test_keys_that_outrun_a_page_go_on_at_once_on_the_next(page: Any) -> None:
    _show(page, cards.Html(f"<div id='list'>{_list('c', 0)}</div>"))
    for key in "jj":
        page.keyboard.press(key)
    grid = cards.pair_grid([pair("x", pair_id=name, src=None, url=None) for name in ("d", "e", "f")], selected="d")
    page.evaluate(_ARRIVE, walked_sheet(grid, answered=1))
    chosen = page.locator(".is-on [data-act]")
    assert chosen.get_attribute("data-id") == "e", "one further than the first answer"
    page.keyboard.press("j")
    assert chosen.get_attribute("data-id") == "f"
    page.evaluate("window.dispatchEvent(new Event('st-answered'))")
    assert [key for _, _, key in page.evaluate("said")] == ["c|1|1", "c|2|2", "f|0|3"]


def test_page_that_lies_ready_takes_its_place_when_keys_reach_it(page: Any) -> None:
    first, second = ([pair("x", pair_id=name, src=None, url=None) for name in names] for names in ("abc", "def"))
    grid = cards.pair_grid(first, selected="b", after=second)
    _show(page, cards.Html(f"<div id='list'>{walked_sheet(grid, answered=0)}</div>"))

    def shown() -> str:
        return "".join(page.locator(".st-card:visible [data-act]").evaluate_all("all => all.map((o) => o.dataset.id)"))

    assert shown() == "abc"
    for key, chosen, there in (("j", "c", "abc"), ("j", "d", "def"), ("k", "c", "abc"), ("j", "d", "def")):
        page.keyboard.press(key)
        assert page.locator(".is-on [data-act]").get_attribute("data-id") == chosen
        assert shown() == there
    for key in "jjjj":  # two beyond what is known
        page.keyboard.press(key)
    third = [pair("x", pair_id=name, src=None, url=None) for name in "ghi"]
    page.evaluate(_ARRIVE, walked_sheet(cards.pair_grid(second, selected="d", after=third), answered=1))
    assert page.locator(".is-on [data-act]").get_attribute("data-id") == "h"
    assert shown() == "ghi"


def test_flags_are_never_merged_and_name_the_pair_that_was_chosen_then(page: Any) -> None:
    page.set_content("<div></div>")
    grid = cards.pair_grid([pair("x", pair_id=name, src=None, url=None) for name in ("a", "b", "c")])
    page.set_content(f"<div id='root' class='st-flags'>{cards.sheet(grid)}</div>")
    page.evaluate(_LOAD, KEY_SCRIPT + WALK_SCRIPT)
    for key in "jfjjf":
        page.keyboard.press(key)
    for _ in range(4):
        page.evaluate("window.dispatchEvent(new Event('st-answered'))")
    asked = [(act, key) for _, act, key in page.evaluate("said")]
    assert asked == [("move", "a|0|1"), ("flag", "a|0|2"), ("move", "c|0|4"), ("flag", "c|0|5")]


def test_clicked_radio_does_not_swallow_keys(page: Any) -> None:
    _walk(page)
    page.locator("#radio").click()
    page.keyboard.press("j")
    assert page.locator(".is-on [data-act]").get_attribute("data-id") == "b"


def test_image_is_enlarged_in_place_and_escape_closes_it_before_the_drawer(page: Any) -> None:
    _show(page, _drawer())

    page.locator("[data-zoom]").click()
    assert page.locator(".is-zoomed").bounding_box()["width"] == 390
    page.keyboard.press("Escape")

    assert page.locator(".is-zoomed").count() == 0
    assert page.evaluate("said") == []


def test_copy_puts_the_command_alone_into_the_clipboard(page: Any) -> None:
    _show(page, cards.command("judge-studio run \\\n  --preset <shapes>"))
    page.evaluate("document.addEventListener('copy', () => { window.copied = String(getSelection()); })")

    page.locator("[data-copy]").click()

    assert page.evaluate("copied").strip() == "judge-studio run \\\n  --preset <shapes>"
    assert page.locator("[data-copy]").inner_text() == "Copied"
    assert page.evaluate("said") == []


def _log(src: str, lines: int, *, opened: bool = False) -> str:
    """As `launch_view` and the traces build it; an update is patched into what is there, as Gradio does."""
    is_open = " open" if opened else ""
    return f"<article><img src='{src}'><details{is_open}><summary>Log</summary><pre>{lines}</pre></details></article>"


_PATCH = """(html) => {
  const now = document.querySelector('#root'), next = document.createElement('div');
  next.innerHTML = html;
  const [a, b] = [now, next].map((one) => one.querySelector('details'));
  now.querySelector('img').setAttribute('src', next.querySelector('img').getAttribute('src'));
  if (!b.hasAttribute('open')) a.removeAttribute('open'); else a.setAttribute('open', '');
  a.querySelector('pre').textContent = b.querySelector('pre').textContent;
}"""


def test_what_somebody_opened_or_closed_stays_so_when_its_text_grows(page: Any) -> None:
    _show(page, cards.Html(_log("/a.png", 1)))
    log = page.locator("details pre")

    page.locator("summary").click()
    page.evaluate(_PATCH, _log("/a.png", 2))
    assert (log.is_visible(), log.inner_text()) == (True, "2")

    page.locator("summary").click()
    page.evaluate(_PATCH, _log("/a.png", 3, opened=True))
    assert not log.is_visible()


def test_what_was_opened_on_one_card_is_not_open_on_the_next(page: Any) -> None:
    _show(page, cards.Html(_log("/a.png", 1)))

    page.locator("summary").click()
    page.evaluate(_PATCH, _log("/b.png", 2))

    assert not page.locator("details pre").is_visible()
