"""Scene and photo thumbnails and the grid of a source's images, with what was skipped and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.look import words
from studio.look.cards.markup import Html, element, esc, image_url, press

SMALL_SOURCE = 128
"""Sources narrower than this many pixels are enlarged with hard edges: they are drawings, not photos."""


def picture(src: str | None, alt: str, *, width: int | None = None, zoom: bool = False, at_once: bool = False) -> Html:
    """A square image, or an empty square with the words of `alt` if the URL does not lead to this server.

    `width` is the source's width in pixels; `zoom` makes it fill the page when pressed
    (without scripts: a link to the image itself); `at_once` fetches it also while nobody sees it.
    """
    url = image_url(src)
    small = " is-small" if width is not None and width < SMALL_SOURCE else ""
    if url is None:
        return element("span", class_="st-img is-missing", role="img", aria_label=alt or "image not available")
    image = element("img", src=url, alt=alt, loading="eager" if at_once else "lazy", decoding="async")
    if zoom and not url.startswith("data:"):
        return element(
            "a",
            image,
            class_=f"st-img{small}",
            href=url,
            target="_blank",
            rel="noopener",
            data_zoom=True,
            title="Enlarge",
            aria_label=f"Enlarge: {alt}",
        )
    return element("span", image, class_=f"st-img{small}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPicture:
    """One of the pictures of a question or an answer."""

    src: str | None
    width: int | None = None
    """Of the source, in pixels."""


def pictures(shown: Sequence[ShownPicture], alt: str) -> Html:
    """One picture as it is; several beside each other, under the names by which the text calls them."""
    if len(shown) < 2:
        return Html("".join(picture(one.src, alt, width=one.width, zoom=True) for one in shown))
    named = [
        element(
            "figure",
            picture(one.src, f"{alt}, image {number}", width=one.width, zoom=True),
            element("small", esc(f"image {number}")),
        )
        for number, one in enumerate(shown, 1)
    ]
    return element("div", *named, class_="st-pictures")


@dataclass(frozen=True, slots=True, kw_only=True)
class GridImage:
    """One image of a source."""

    src: str | None
    name: str
    """File name or row, untrusted."""
    width: int
    height: int
    mark: str | None = None
    """A word over it, e.g. "duplicate"."""
    key: str | None = None
    """data-id of the click; None = not clickable."""


def image_grid(images: Sequence[GridImage], *, total: int | None = None) -> Html:
    """Thumbnails with name and pixels below, at most as many as given; `total` says how many there are."""
    figures = [_figure(image) for image in images]
    grid = element("div", *figures, class_="st-grid")
    if total is None or total <= len(images):
        return grid
    rest = f"{words.number(len(images))} of {words.plural(total, 'image')} shown."
    return Html(grid + element("p", esc(rest), class_="st-sub st-dim"))


def _figure(image: GridImage) -> Html:
    name = element("span", esc(image.name, limit=200), class_="st-name", title=image.name[:200], dir="auto")
    size = element("small", esc(f"{image.width} × {image.height}" + (f", {image.mark}" if image.mark else "")))
    body = [picture(image.src, image.name[:200], width=image.width), name, size]
    if image.key is None:
        return element("figure", *body)
    return press(*body, act="image", key=image.key, class_="st-plain")


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile:
    """An entry of a source that was not taken."""

    name: str
    reason: str


def skipped_files(skipped: Sequence[SkippedFile], *, total: int | None = None) -> Html:
    """Folded list of what was not taken and why; open it to read. Empty text when nothing was skipped."""
    count = total if total is not None else len(skipped)
    if not count:
        return Html("")
    rows = [
        element(
            "li",
            element("span", esc(item.name, limit=200), class_="st-mono", dir="auto"),
            element("span", esc(item.reason, limit=400)),
        )
        for item in skipped
    ]
    if count > len(rows):
        rows.append(element("li", element("span", esc(f"and {words.number(count - len(rows))} more"))))
    summary = element("summary", esc(f"{words.plural(count, 'file')} skipped"))
    return element("details", summary, element("ul", *rows, class_="st-skips"), class_="st-more")
