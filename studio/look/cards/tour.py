"""A tour of five steps through a run: what each page is for, in a sentence or two. Dismissed once, it does not come
back by itself; the button "Tour" starts it again.
"""

import json

from studio.look.cards.markup import Html, element

STEPS: tuple[tuple[str, str, str], ...] = (
    (
        "home",
        "What training changed",
        "One picture, two answers, the judge before and after its training. It counts as right only if it is right in "
        "both orders. Below stands an item that got worse: that is never hidden.",
    ),
    (
        "pairs",
        "Pairs: what it learns from",
        "The model wrote these itself. Which of the two answers is better is known by how the pair was made, so nobody "
        "labelled anything.",
    ),
    (
        "traces",
        "Traces: its reasons",
        "The judge ruled on every pair in both orders, with reasons. Only rulings that agree with how the pair was "
        "made are kept and trained on; every other one has its reason here.",
    ),
    (
        "versions",
        "Versions: does it work?",
        "Every new judge is measured on pictures that were kept out of training, beside controls that should not work. "
        "A coin gets 0.25.",
    ),
    (
        "live",
        "Live judge: ask it yourself",
        "Any version answers on any comparison. A run on your own pictures starts on Images or on Launch.",
    ),
)
"""Tab, title and sentences."""


def tour_button() -> Html:
    """Starts the tour; it works without asking the server."""
    return element("button", Html("Tour"), type="button", class_="st-btn is-small", data_tour=True)


def script(*, starts_itself: bool) -> str:
    """`js_on_load` of the header. `starts_itself`: at a visitor's first sight of Home, and nowhere else."""
    return _SCRIPT % (json.dumps([list(step) for step in STEPS]), json.dumps(starts_itself))


_SCRIPT = """{
const steps = %s, startsItself = %s, key = 'judge-studio-tour';
const remembered = () => { try { return localStorage.getItem(key); } catch { return 'done'; } };
const remember = () => { try { localStorage.setItem(key, 'done'); } catch {} };
const box = document.createElement('section');
box.className = 'st st-tour';
box.setAttribute('role', 'dialog');
box.setAttribute('aria-label', 'Tour');
box.hidden = true;
document.body.appendChild(box);
const end = () => { box.hidden = true; remember(); };
const made = (tag, text, name) => {
  const one = document.createElement(tag);
  one.textContent = text;
  if (name) one.className = name;
  return one;
};
const button = (text, name, press) => {
  const one = made('button', text, 'st-btn is-small ' + name);
  one.type = 'button';
  one.addEventListener('click', press);
  return one;
};
const isAt = (tab) => (new URL(window.location.href).searchParams.get('tab') || 'home') === tab;
const goTo = (tab) => {
  if (isAt(tab)) return;
  const url = new URL(window.location.href);
  url.searchParams.set('tab', tab);
  window.history.pushState(null, '', url);
  window.dispatchEvent(new PopStateEvent('popstate'));
};
const show = (number, focus) => {
  const [tab, title, text] = steps[number];
  goTo(tab);
  const row = made('div', '', 'st-row');
  const later = number + 1 < steps.length;
  if (number) row.append(button('Back', '', () => show(number - 1, true)));
  const on = button(later ? 'Next' : 'Done', 'is-main', () => later ? show(number + 1, true) : end());
  row.append(on);
  if (later) row.append(button('Skip the tour', 'is-bare', end));
  box.replaceChildren(
    made('small', (number + 1) + ' of ' + steps.length), made('b', title), made('p', text), row);
  box.hidden = false;
  if (focus) on.focus();
};
document.addEventListener('click', (event) => {
  if (event.target.closest && event.target.closest('[data-tour]')) show(0, true);
});
box.addEventListener('keydown', (event) => { if (event.key === 'Escape') { event.stopPropagation(); end(); } });
if (startsItself && !remembered() && isAt('home')) show(0, false);
}"""
