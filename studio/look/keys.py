"""What keys do on a page of cards, in JavaScript, and what of it the server is told. Moving needs no answer."""

import re
from dataclasses import dataclass

from studio.look.cards import Html, element, sheet

KEY_SCRIPT = """
const isTyping = (target) => target.closest(
  'input:not([type=radio], [type=checkbox], [type=range], [readonly]), textarea, select, [contenteditable]');
const isPlain = (event) => !isTyping(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey;
"""
"""Only a text field keeps a key for itself: a radio, a checkbox or a drop-down that was clicked does not."""

PRESS_SCRIPT = """
document.addEventListener('keydown', (event) => {
  if (!isPlain(event) || !element.offsetParent) return;
  const name = {j: 'next', k: 'previous', Escape: 'close'}[event.key];
  const wanted = name ? '[data-act="' + name + '"]' : '[data-key="' + CSS.escape(event.key.toLowerCase()) + '"]';
  const button = element.querySelector(wanted + ':not(:disabled)');
  if (button) { event.preventDefault(); button.click(); }
});
"""
"""`j`, `k` and Escape press the component's own next, previous and close buttons while it is on the page, and any other
key the button that names it in `data-key`."""

CLOSE_SCRIPT = """
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !isPlain(event) || !element.offsetParent) return;
  const button = element.querySelector('[data-act="close"]:not(:disabled)');
  if (button) { event.preventDefault(); button.click(); }
});
"""
"""Escape presses the component's own close button while it is on the page."""

ASK_SCRIPT = """
let question = null, back = null;
const attend = () => {
  const now = element.querySelector('.st-confirm');
  if (now && !question) {
    back = document.activeElement;
    const keep = now.querySelector('button:last-of-type');
    if (keep) keep.focus({preventScroll: true});
  } else if (!now && question && back && back.isConnected && document.activeElement === document.body) {
    back.focus({preventScroll: true});
  }
  question = now;
};
new MutationObserver(attend).observe(element, {subtree: true, childList: true});
attend();
"""
"""A question that appears takes the focus, on its answer that changes nothing; afterwards the focus goes back."""

WALK_SCRIPT = """
const OPENER = '[data-act="open"], [data-act="item"]';
const openers = () => [...element.querySelectorAll(OPENER)];
const boxOf = (one) => one.closest('article, tr, li');
const idOf = (box) => (box.querySelector(OPENER) || {dataset: {}}).dataset.id || null;
const here = () => { const on = element.querySelector('.is-on'); return on ? idOf(on) : null; };
const answered = () => Number((element.querySelector('[data-answered]') || {dataset: {}}).dataset.answered || 0);
const stops = () => [...element.querySelectorAll('article, .st-flips > li')];
let chosen = null, beyond = 0, walkedTo = null, asked = 0, sent = null, since = 0, outbox = [], open = [];
const mark = () => {
  const all = openers(), now = all.find((one) => one.dataset.id === chosen);
  if (!now) return;
  const part = boxOf(now).dataset.part;
  all.forEach((one) => {
    boxOf(one).classList.toggle('is-on', one === now);
    boxOf(one).classList.toggle('is-ready', boxOf(one).dataset.part !== part);
  });
};
const flush = () => {
  if (!outbox.length || (sent && Date.now() - since < 8000)) return;
  sent = outbox.shift();
  since = Date.now();
  trigger('click', {act: sent.act, id: sent.id});
  setTimeout(flush, 8100);
};
const ask = (name) => {
  const last = outbox[outbox.length - 1];
  if (name === 'move' && last && last.act === 'move') outbox.pop();
  asked = Math.max(asked, answered()) + 1;
  outbox.push({act: name, id: chosen + '|' + beyond + '|' + asked, number: asked});
  open.push({number: asked, chosen: chosen, beyond: beyond});
  flush();
};
const rebase = () => {
  const then = open.find((one) => one.number === answered());
  open = open.filter((one) => one.number > answered());
  if (!beyond) return;
  const all = openers(), placeOf = (id) => all.findIndex((one) => one.dataset.id === id);
  let at = placeOf(chosen), from = 0;
  if (at < 0 && then && then.chosen === chosen) { at = placeOf(here()); from = then.beyond; }
  if (at < 0) return;
  const to = at + beyond - from, shown = Math.max(0, Math.min(all.length - 1, to));
  chosen = all[shown].dataset.id;
  beyond = to - shown;
};
const settle = () => {
  if (sent && answered() >= sent.number) { sent = null; flush(); }
  if (chosen !== null && answered() >= asked) { chosen = null; beyond = 0; }
  if (chosen !== null) { rebase(); mark(); }
  const stood = walkedTo && stops().find((one) => one.dataset.id === walkedTo);
  if (stood) stood.classList.add('is-here');
};
const forget = () => { chosen = null; beyond = 0; outbox = outbox.filter((one) => one.act !== 'move'); };
new MutationObserver(settle).observe(element, {
  subtree: true, childList: true, attributes: true, attributeFilter: ['class', 'data-id', 'data-answered'],
});
window.addEventListener('st-answered', () => { sent = null; flush(); settle(); });
element.addEventListener('click', (event) => { if (event.isTrusted && event.target.closest('[data-act]')) forget(); });
const move = (by) => {
  const all = openers();
  if (chosen === null) chosen = here();
  const at = all.findIndex((one) => one.dataset.id === chosen);
  const next = chosen === null ? all[by > 0 ? 0 : all.length - 1] : at < 0 || beyond ? null : all[at + by];
  if (next) {
    chosen = next.dataset.id;
    mark();
    boxOf(next).scrollIntoView({block: 'nearest'});
  } else beyond += by;
  ask('move');
};
const step = (by) => {
  const all = stops();
  const at = all.findIndex((one) => one.classList.contains('is-here'));
  const next = all[at < 0 && by < 0 ? all.length - 1 : at + by];
  if (!next) return;
  all.forEach((one) => one.classList.toggle('is-here', one === next));
  walkedTo = next.dataset.id || null;
  next.scrollIntoView({block: 'start'});
};
document.addEventListener('keydown', (event) => {
  if (!isPlain(event) || !element.offsetParent) return;
  const by = {j: 1, k: -1}[event.key];
  if (by) { event.preventDefault(); openers().length ? move(by) : step(by); return; }
  if (event.key === 'Escape') forget();
  if (event.key === 'f' && !event.repeat && element.matches('.st-flags, .st-flags *') && (chosen || here())) {
    event.preventDefault();
    chosen = chosen || here();
    ask('flag');
  }
  const own = event.key === 'f' && !event.repeat && element.querySelector('.is-here [data-key="f"]');
  if (own) { event.preventDefault(); own.click(); }
  if (event.key === 'Enter' && !event.target.closest('button, a, summary, label, input')) {
    const link = element.querySelector('.is-here header a, .is-here a.st-opener');
    if (link) link.click(); else if (openers().length && !here()) move(1);
  }
  if (event.key === '/') {
    const panel = element.closest('[role="tabpanel"]');
    const box = panel && panel.querySelector('.st-find textarea, .st-find input');
    if (box) { event.preventDefault(); box.focus(); }
  }
});
"""
"""`j` and `k` walk through a list, `f` flags, or presses what names it in the entry they walked to, `/` goes to the
search box, Enter opens.

What is chosen moves on the page at once; the server is told where that is, one question at a time and always the
last one, so that no press is lost however quick they come. A question is a `Walk`. Until the list itself says that
the last question was answered (`data-answered`, see `walked_sheet`), every list that arrives is of an earlier one:
the page's own mark is put back before it is seen. The next page lies ready beside the one that is shown (`ready`) and
takes its place when keys reach it. Where they went beyond that too, the first list that arrives
says how far they had come by its question, and they go on from there on the page. `st-answered` on the window only
lets the next question go, also where one failed. It may be that of the question before, so two can be on their way,
and the later one may arrive first: see `Walk.is_late`.
"""

ANSWERED = "window.dispatchEvent(new Event('st-answered'));"

_LONGEST_WALK = 400
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Where keys walked to, as the page says it: "<id>|<beyond>|<number>". From a visitor's browser: untrusted."""

    id: str
    """Entry of the list on the page; "" where the text is nonsense."""
    beyond: int = 0
    """Entries further than that one, for what the page does not show yet; negative = before it."""
    number: int = 0
    """Of the question, counted by the page from 1 on."""

    def is_late(self, answered: int) -> bool:
        """A question that was asked after this one overtook it and is answered: what is chosen stays as that says."""
        return 0 < self.number <= answered


def read_walk(text: str) -> Walk:
    """The place that a `move` or `flag` names."""
    name, *numbers = text[:_LONGEST_WALK].rsplit("|", 2)
    if len(numbers) != 2 or not all(_NUMBER.fullmatch(number) for number in numbers):
        return Walk(id="")
    return Walk(id=name, beyond=int(numbers[0]), number=int(numbers[1]))


def walked_sheet(*parts: Html, answered: int) -> str:
    """A list's `cards.sheet` that says the number of the last question of the page's keys that it answers."""
    return element("div", sheet(*parts), data_answered=answered)


_NUMBER = re.compile(r"-?\d{1,9}")
