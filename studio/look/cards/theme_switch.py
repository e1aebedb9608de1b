"""A button between light and dark. The system's choice holds until it is pressed, then the visitor's, in every tab."""

from studio.look.cards.markup import Html, element

_HALF = (
    '<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="6.5" fill="none" '
    'stroke="currentColor" stroke-width="1.5"/><path d="M8 1.5a6.5 6.5 0 0 1 0 13z" fill="currentColor"/></svg>'
)

SCRIPT = """{
const key = 'judge-studio-theme', shown = document.body.classList;
const remembered = () => { try { return localStorage.getItem(key); } catch { return null; } };
const button = element.querySelector('[data-theme-switch]');
const show = (isDark) => {
  shown.toggle('dark', isDark);
  if (button) button.setAttribute('aria-pressed', String(isDark));
};
const asked = new URL(window.location.href).searchParams.get('__theme') || remembered();
show(asked === 'dark' || (asked !== 'light' && shown.contains('dark')));
if (button) button.addEventListener('click', () => {
  show(!shown.contains('dark'));
  try { localStorage.setItem(key, shown.contains('dark') ? 'dark' : 'light'); } catch {}
  const url = new URL(window.location.href);
  url.searchParams.delete('__theme');
  window.history.replaceState(window.history.state, '', url);
});
}"""
"""`js_on_load` of the header. Gradio's own mark of a dark page is a class of its body."""


def theme_switch() -> Html:
    """It works without asking the server."""
    return element(
        "button", Html(_HALF), type="button", class_="st-plain st-theme", data_theme_switch=True,
        aria_label="Dark page", title="Light or dark",
    )  # fmt: skip
