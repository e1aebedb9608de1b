"""The one Gradio component that shows cards: a `gr.HTML` whose clicks and keys arrive in Python.

In a handler take `event: gr.EventData`; `event.act` says what to do and `event.id` to what (both text, both
from the visitor's browser: treat them as untrusted).
"""

from typing import Any

import gradio as gr

from studio.look.keys import ASK_SCRIPT, CLOSE_SCRIPT, KEY_SCRIPT, PRESS_SCRIPT, WALK_SCRIPT

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


EACH_CLICK: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "multiple"}
"""How to listen to a card's clicks. A card has many buttons, and Gradio's own way ("once") drops a press of one while
the press of another is being answered: a Stop pressed while Resume was at it went nowhere."""


def card_html(
    value: str = "",
    *,
    keys: bool = False,
    closes: bool = False,
    walks: bool = False,
    asks: bool = False,
    **options: Any,
) -> gr.HTML:
    """A `gr.HTML` for cards, without Gradio's own text styles. `keys` press its buttons, `closes` is Escape alone,
    `walks` the keys of a list, `asks` gives the focus to a question that appears in it.

    `value` is the output of `cards.sheet(...)`. Listen with `.click(handler, ..., **EACH_CLICK)`.
    """
    asked = {PRESS_SCRIPT: keys, CLOSE_SCRIPT: closes, WALK_SCRIPT: walks, ASK_SCRIPT: asks}
    parts = [script for script, is_asked in asked.items() if is_asked]
    script = "".join([CARD_SCRIPT, *([KEY_SCRIPT] if parts else []), *parts])
    return gr.HTML(value, apply_default_css=False, js_on_load=script, **options)
