"""The one Gradio component that shows cards: a `gr.HTML` whose clicks and keys arrive in Python.

In a handler take `event: gr.EventData`; `event.act` says what to do and `event.id` to what (both text, both
from the visitor's browser: treat them as untrusted).
"""

from typing import Any

import gradio as gr

CARD_SCRIPT = """
const act = (target) => {
  const found = target.closest('[data-act]');
  if (!found || !element.contains(found) || found.disabled) return;
  trigger('click', {act: found.dataset.act, id: found.dataset.id || ''});
};
element.addEventListener('click', (event) => {
  const copy = event.target.closest('[data-copy]');
  if (copy && element.contains(copy)) {
    const code = copy.closest('.st-cmdbox').querySelector(copy.dataset.copy);
    const text = code ? code.textContent : '';
    const done = () => { copy.textContent = 'Copied'; setTimeout(() => { copy.textContent = 'Copy'; }, 1500); };
    const select = () => { getSelection().selectAllChildren(code); };
    if (navigator.clipboard && isSecureContext) navigator.clipboard.writeText(text).then(done, select);
    else { select(); if (document.execCommand('copy')) done(); }
    return;
  }
  const zoom = event.target.closest('[data-zoom]');
  if (zoom && element.contains(zoom) && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    zoom.classList.toggle('is-zoomed');
    return;
  }
  act(event.target);
});
const about = (details) => {
  const card = details.closest('article, section');
  const image = card && card.querySelector('img');
  return image ? image.getAttribute('src') : '';
};
element.addEventListener('click', (event) => {
  const summary = event.target.closest('summary');
  if (summary) summary.parentNode._choice = {open: !summary.parentNode.open, about: about(summary.parentNode)};
}, true);
new MutationObserver((changes) => changes.forEach(({target}) => {
  if (target._choice && target._choice.about !== about(target)) delete target._choice;
  if (target._choice && target.open !== target._choice.open) target.open = target._choice.open;
})).observe(element, {subtree: true, attributes: true, attributeFilter: ['open']});
element.addEventListener('keydown', (event) => {
  const zoomed = event.key === 'Escape' && element.querySelector('.is-zoomed');
  if (zoomed) { event.stopPropagation(); zoomed.classList.remove('is-zoomed'); }
});
"""
"""Runs once per component: one delegated listener for clicks; Copy and zoom work without asking the server.

An update takes away every attribute that the new HTML lacks, so what a visitor opened or closed is put back, unless
the element meanwhile shows something about another image.
"""

KEY_SCRIPT = """
const isTyping = (target) => target.closest(
  'input:not([type=radio]):not([type=checkbox]):not([type=range]), textarea, select, [contenteditable]');
const isPlain = (event) => !isTyping(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey;
"""
"""Only a text field keeps a key for itself: a radio or a checkbox that was clicked does not."""

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

WALK_SCRIPT = """
const OPENER = '[data-act="open"], [data-act="item"]';
const openers = () => [...element.querySelectorAll(OPENER)];
const boxOf = (one) => one.closest('article, tr, li');
const idOf = (box) => (box.querySelector(OPENER) || {dataset: {}}).dataset.id || null;
let chosen = null, beyond = 0, sent = null, since = 0, outbox = [];
const flush = () => {
  if (!outbox.length || (sent && Date.now() - since < 8000)) return;
  sent = outbox.shift();
  since = Date.now();
  trigger('click', sent);
  setTimeout(flush, 8100);
};
const ask = (name) => {
  const wanted = {act: name, id: chosen + '|' + beyond}, last = outbox[outbox.length - 1];
  if (name === 'move' && last && last.act === 'move') outbox.pop();
  outbox.push(wanted);
  flush();
};
window.addEventListener('st-answered', () => {
  sent = null;
  if (!outbox.length) { chosen = null; beyond = 0; }
  flush();
});
const here = () => { const on = element.querySelector('.is-on'); return on ? idOf(on) : null; };
const move = (by) => {
  const all = openers();
  if (!all.length) return;
  if (chosen === null) chosen = here();
  const at = all.findIndex((one) => one.dataset.id === chosen);
  const next = chosen === null ? all[by > 0 ? 0 : all.length - 1] : at < 0 || beyond ? null : all[at + by];
  if (next) {
    chosen = next.dataset.id;
    all.forEach((one) => boxOf(one).classList.toggle('is-on', one === next));
    boxOf(next).scrollIntoView({block: 'nearest'});
  } else beyond += by;
  ask('move');
};
const step = (by) => {
  const all = [...element.querySelectorAll('article')];
  const at = all.findIndex((one) => one.classList.contains('is-here'));
  const next = all[at < 0 && by < 0 ? all.length - 1 : at + by];
  if (!next) return;
  all.forEach((one) => one.classList.toggle('is-here', one === next));
  next.scrollIntoView({block: 'start'});
};
document.addEventListener('keydown', (event) => {
  if (!isPlain(event) || !element.offsetParent) return;
  const by = {j: 1, k: -1}[event.key];
  if (by) { event.preventDefault(); openers().length ? move(by) : step(by); return; }
  if (event.key === 'f' && !event.repeat && element.matches('.st-flags, .st-flags *') && (chosen || here())) {
    event.preventDefault();
    chosen = chosen || here();
    ask('flag');
  }
  if (event.key === 'Enter' && !event.target.closest('button, a, summary, label')) {
    const link = element.querySelector('.is-here header a');
    if (link) link.click(); else if (openers().length && !here()) move(1);
  }
  if (event.key === '/') {
    const panel = element.closest('[role="tabpanel"]');
    const box = panel && panel.querySelector('.st-find textarea, .st-find input');
    if (box) { event.preventDefault(); box.focus(); }
  }
});
"""
"""`j` and `k` walk through a list, `f` flags, `/` goes to its search box, Enter opens.

What is chosen moves on the page at once; the server is told where that is, one question at a time and always the
last one, so that no press is lost however quick they come. "<id>|<n>" is the entry with that id and then n further,
for what the page does not show yet. The answer is over when the window hears `st-answered`.
"""

ANSWERED = "window.dispatchEvent(new Event('st-answered'));"


def card_html(
    value: str = "", *, keys: bool = False, closes: bool = False, walks: bool = False, **options: Any
) -> gr.HTML:
    """A `gr.HTML` for cards, without Gradio's own text styles. `keys` press its buttons, `closes` is Escape alone,
    `walks` the keys of a list.

    `value` is the output of `cards.sheet(...)`. Listen with `.click(handler, ...)`.
    """
    asked = {PRESS_SCRIPT: keys, CLOSE_SCRIPT: closes, WALK_SCRIPT: walks}
    parts = [script for script, is_asked in asked.items() if is_asked]
    script = "".join([CARD_SCRIPT, *([KEY_SCRIPT] if parts else []), *parts])
    return gr.HTML(value, apply_default_css=False, js_on_load=script, **options)
