"""The four steps of the loop in pictures, for a workspace that has no run yet. Nothing here comes from a run."""

from studio.look.cards.diff import pair_text
from studio.look.cards.lean import sparkline
from studio.look.cards.marks import fate
from studio.look.cards.markup import Html, element, esc

_SCENES = (
    '<rect width="48" height="48" fill="#d9e0dc"/><circle cx="8" cy="9" r="6" fill="#dc3a34"/>'
    '<path d="M24 19l1.2 3.2h3.4l-2.7 2 1 3.3-2.9-2-2.9 2 1-3.3-2.7-2h3.4z" fill="#3559d6"/>'
    '<rect x="34" y="34" width="11" height="11" fill="#2f9e4a"/>',
    '<rect width="48" height="48" fill="#d3e0e0"/><path d="M23 18l6 12H17z" fill="#2f9e4a"/>'
    '<path d="M9 3l1.2 3.2h3.4l-2.7 2 1 3.3-2.9-2-2.9 2 1-3.3-2.7-2h3.4z" fill="#f085b8"/>'
    '<circle cx="40" cy="40" r="6" fill="#3559d6"/>',
    '<rect width="48" height="48" fill="#dfe3d4"/><circle cx="9" cy="9" r="6" fill="#f08f28"/>'
    '<path d="M39.7 4.4h2.6v2.3h2.3v2.6h-2.3v2.3h-2.6v-2.3h-2.3v-2.6h2.3z" fill="#8c3aa6"/>'
    '<rect x="20" y="20" width="7" height="7" fill="#2f9e4a"/><path d="M24 34l6 12H18z" fill="#dc3a34"/>',
)
"""Three drawn scenes in the manner of the shapes world, as SVG shapes on a 48 × 48 field."""

_EXAMPLE_CURVE = (0.44, 0.53, 0.59, 0.61, 0.61)
"""Only a shape: the picture is hidden from readers and bears no number."""


def first_steps() -> Html:
    """Draw and ask, write pairs, judge in both orders, train and measure: one figure and one sentence each."""
    scenes = [
        Html(f'<span class="st-img is-figure"><svg viewBox="0 0 48 48" aria-hidden="true">{scene}</svg></span>')
        for scene in _SCENES
    ]
    fates = [fate("kept"), fate("order-flip", "rejected: order-flip")]
    pair = pair_text("The centre has a small blue star.", "The centre has a small green star.")
    curve = sparkline(_EXAMPLE_CURVE, width=200, height=76, scale=(0.42, 0.63))
    steps = (
        (scenes, "", "1. Draw and ask", "Scenes are drawn, each with an open or a closed question."),
        (
            [pair],
            "",
            "2. Write pairs",
            "The model answers, then spoils one detail. Which is better is known by construction.",
        ),
        (
            fates,
            " is-column",
            "3. Judge in both orders",
            "Only rulings that agree in both orders and with the construction are kept.",
        ),
        (
            [curve],
            "",
            "4. Train and measure",
            "A new judge version is scored on held-out items, next to controls. Repeat until it stops paying.",
        ),
    )
    cells = [
        element(
            "div",
            element("div", *figure, class_=f"fig{kind}", aria_hidden="true"),
            element("b", esc(title)),
            esc(sentence),
        )
        for figure, kind, title, sentence in steps
    ]
    return element("div", *cells, class_="st-steps")
