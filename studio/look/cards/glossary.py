"""The words of the trade, explained where they stand: on hover, on focus and on touch. Their meanings are written once,
in `assets/glossary.md`.
"""

import json
import re
from functools import cache

from engine.assets import assets_folder
from studio.look.cards.markup import Html, element, esc

_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_HEAD = {"word", "---"}
_LONGEST_LABEL = 100


@cache
def meanings() -> dict[str, str]:
    """Every word and what it means, in the order of the file."""
    text = (assets_folder() / "glossary.md").read_text(encoding="utf-8")
    return {word.strip(): meaning.strip() for word, meaning in _ROW.findall(text) if word.strip() not in _HEAD}


@cache
def _known() -> re.Pattern[str]:
    """Any word of the glossary, the longest first, also with its plural's "s" and with other dashes than its own."""
    words = sorted(meanings(), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])({'|'.join(_loose(word) for word in words)})s?(?![\w-])", re.IGNORECASE)


def _loose(word: str) -> str:
    return re.sub(r"[ -]", "[ -]", re.escape(word).replace("\\ ", " ").replace("\\-", "-"))


def word_in(text: str) -> str | None:
    """The first word of the glossary in a text, as the glossary spells it; None if there is none."""
    found = _known().search(text)
    if found is None:
        return None
    plain = re.sub(r"[ -]", " ", found[1].lower())
    return next(word for word in meanings() if re.sub(r"[ -]", " ", word.lower()) == plain)


def asks(label: str, *, focus: bool = True) -> dict[str, str | None]:
    """Attributes of an element that holds a label of ours, so that its first known word is explained there.

    `focus=False` where the same label stands on a page many times: it is then no stop of the Tab key.
    """
    word = word_in(label[:_LONGEST_LABEL])
    return {"data_term": word, "tabindex": "0" if word and focus else None}


def explained(sentence: str) -> Html:
    """A sentence of ours with its first known word marked for explanation; the text is escaped."""
    found = _known().search(sentence)
    if found is None:
        return esc(sentence)
    marked = element("span", esc(found[0]), class_="st-term", **asks(found[0]))
    return Html(f"{esc(sentence[: found.start()])}{marked}{esc(sentence[found.end() :])}")


def script() -> str:
    """`js_on_load` of the header: one small box for all explanations, beside the word that asks for it."""
    return _SCRIPT % json.dumps(meanings(), ensure_ascii=False).replace("</", "<\\/")


_SCRIPT = """{
const meanings = %s;
const tip = document.createElement('div');
tip.id = 'st-tip';
tip.className = 'st-tip';
tip.setAttribute('role', 'tooltip');
tip.hidden = true;
document.body.appendChild(tip);
let asking = null;
const hide = () => {
  if (!asking) return;
  asking.removeAttribute('aria-describedby');
  asking = null;
  tip.hidden = true;
};
const explain = (term) => {
  if (term === asking) return;
  hide();
  tip.textContent = meanings[term.dataset.term] || '';
  if (!tip.textContent) return;
  asking = term;
  term.setAttribute('aria-describedby', 'st-tip');
  tip.hidden = false;
  const at = term.getBoundingClientRect(), box = tip.getBoundingClientRect(), edge = 8;
  const below = at.bottom + 6 + box.height < window.innerHeight;
  tip.style.left = Math.max(edge, Math.min(at.left, window.innerWidth - box.width - edge)) + 'px';
  tip.style.top = (below ? at.bottom + 6 : Math.max(edge, at.top - box.height - 6)) + 'px';
};
const termOf = (event) => event.target.closest && event.target.closest('[data-term]');
document.addEventListener('pointerover', (event) => {
  if (event.pointerType === 'touch') return;
  const term = termOf(event);
  if (term) explain(term); else if (!tip.contains(event.target) && asking !== document.activeElement) hide();
});
document.addEventListener('focusin', (event) => { const term = termOf(event); if (term) explain(term); else hide(); });
document.addEventListener('focusout', hide);
document.addEventListener('click', (event) => { const term = termOf(event); if (term) explain(term); else hide(); });
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });
window.addEventListener('scroll', hide, {capture: true, passive: true});
}"""
