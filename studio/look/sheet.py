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
document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea, select, [contenteditable]');
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !element.offsetParent) return;
  const name = {j: 'next', k: 'previous', Escape: 'close'}[event.key];
  const wanted = name ? '[data-act="' + name + '"]' : '[data-key="' + CSS.escape(event.key.toLowerCase()) + '"]';
  const button = element.querySelector(wanted + ':not(:disabled)');
  if (button) { event.preventDefault(); button.click(); }
});
"""
"""`j`, `k` and Escape press the component's own next, previous and close buttons while it is on the page, and any other
key the button that names it in `data-key`."""


def card_html(value: str = "", *, keys: bool = False, **options: Any) -> gr.HTML:
    """A `gr.HTML` for cards, without Gradio's own text styles; `keys` adds j, k and Escape.

    `value` is the output of `cards.sheet(...)`. Listen with `.click(handler, ...)`.
    """
    script = CARD_SCRIPT + KEY_SCRIPT if keys else CARD_SCRIPT
    return gr.HTML(value, apply_default_css=False, js_on_load=script, **options)
