"""The page's clock: when an open page asks the server whether something changed. It runs in the browser.

Every two seconds while a run is active or somebody uses the page; every half minute else; never while the tab is
hidden, and at once when it is shown or touched again. A request costs the server a tenth of a second, which for ever
was a tenth of a core per forgotten page.
"""

from typing import Any

import gradio as gr

POLL_SECONDS = 2.0
"""Between two requests of a page in use; a run writes its state every half second."""
IDLE_SECONDS = 30.0
"""Between two requests of a page that nobody uses while nothing runs."""
AWAKE_SECONDS = 30.0
"""How long after the last touch a page counts as used."""

_TICK = """
const [quick, slow, awake] = TIMES;
let asked = Date.now(), touched = Date.now();
const ask = () => { asked = Date.now(); trigger('select', {}); };
const due = () => {
  const busy = document.querySelector('.st-heart .st-beat.is-live') || Date.now() - touched < awake;
  return Date.now() - asked >= (busy ? quick : slow);
};
setInterval(() => { if (!document.hidden && due()) ask(); }, 500);
const touch = () => { touched = Date.now(); if (!document.hidden && due()) ask(); };
for (const kind of ['pointerdown', 'keydown', 'wheel']) document.addEventListener(kind, touch, {passive: true});
document.addEventListener('visibilitychange', () => { if (!document.hidden) { touched = Date.now(); ask(); } });
""".replace("TIMES", str([1000 * seconds for seconds in (POLL_SECONDS, IDLE_SECONDS, AWAKE_SECONDS)]))


def page_clock() -> Any:
    """A component that nobody sees; its `select` is the tick. Call it inside the app's shelf."""
    return gr.HTML("", js_on_load=_TICK, apply_default_css=False)
