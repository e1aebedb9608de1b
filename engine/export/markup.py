"""Small pieces of the HTML files that leave a workspace: the page around them, tables, gains in words, pictures.

A file holds everything it shows, loads nothing and runs nothing. All text that is given is escaped here.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from engine import __version__
from engine.export.sheet import SHEET
from engine.workspace.conclusions import Against

_THUMBNAIL = 240
"""Pixels of an image's longer side."""


def page(title: str, sections: Iterable[str]) -> str:
    """One file; `sections` are markup."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)} · Judge Studio</title><style>{SHEET}</style></head>\n<body><main>\n"
        + "\n".join(sections)
        + f"\n<footer>Judge Studio {__version__}. Method: Lin et al., “Self-Improving VLM Judges Without Human "
        "Annotations”, arXiv 2512.05145.</footer></main></body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table that scrolls by itself where it is wider than the page."""
    top = "".join(f"<th>{escape(str(cell))}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def points(gain: Against | None) -> str:
    """A paired gain in points with its interval and p."""
    if gain is None:
        return "–"
    text = f"{100 * gain.gain:+.1f} points ({100 * gain.gain_low:+.1f} to {100 * gain.gain_high:+.1f})"
    p = "p < 0.001" if gain.p < 0.001 else f"p = {gain.p:.3f}"
    return f"{text.replace('-', '−')}, {p}"


def picture(path: Path | None) -> str:
    """The image as data, scaled down; a word where it cannot be read."""
    from PIL import Image

    if path is None:
        return "<p class=dim>image gone</p>"
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((_THUMBNAIL, _THUMBNAIL))
            held = io.BytesIO()
            small.save(held, "PNG" if max(small.size) <= 64 else "JPEG", quality=85)
            kind = "png" if max(small.size) <= 64 else "jpeg"
    except (OSError, ValueError, Image.DecompressionBombError):
        return "<p class=dim>image unreadable</p>"
    return f'<img alt="" src="data:image/{kind};base64,{base64.b64encode(held.getvalue()).decode()}">'
