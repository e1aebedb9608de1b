"""Judges and controls of any runs beside each other as one HTML file: settings, numbers, every item, what got worse.

Its first side is what the others are held against. Nothing in it is chosen by looks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from engine.export.markup import page, picture, points, table
from engine.export.word_diff import Run, aligned
from engine.measure.benchmarks.held_out import number_on
from engine.measure.intervals import Gain
from engine.measure.metrics import ALL
from engine.measure.side_by_side import Side, SideBySide, sentence
from engine.paths import file_to_write
from engine.records import ORDERS, BenchmarkItem, VerdictRow, outcome
from engine.workspace.conclusions import Against
from engine.workspace.files import write_text

_MOST_SHOWN = 40
"""Items that got worse with their pictures and reasonings: about 3 MB of photographs."""

_LENSES = """<svg width="0" height="0" aria-hidden="true"><defs>
<g id="agree"><circle cx="8.5" cy="7" r="6"/><circle cx="15.5" cy="7" r="6"/>
<path d="M12 2.1A6 6 0 0 1 12 11.9A6 6 0 0 1 12 2.1Z" fill="currentColor"/></g>
<g id="apart"><circle cx="6.3" cy="7" r="5.4"/><circle cx="17.7" cy="7" r="5.4"/></g>
<g id="partial"><circle cx="8.5" cy="7" r="6"/><circle cx="15.5" cy="7" r="6" stroke-dasharray="2.2 2"/></g>
</defs></svg>"""
_SHAPES = {"right": "agree", "wrong": "agree", "tie": "agree", "order-flip": "apart", "invalid": "partial"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFile:
    """What the file says."""

    benchmark: str
    sides: Sequence[Side]
    result: SideBySide
    runs: Sequence[str]
    """The sides' runs, each once."""
    settings: Mapping[str, tuple[Any, ...]]
    """Setting → its value in each of `runs`, where they differ."""
    picture_of: Callable[[BenchmarkItem], Path | None]


def write_comparison(comparison: ComparisonFile, out: Path) -> Path:
    """Write the file and return its path. Raises `UsageError` if `out` can be no file."""
    path = file_to_write(out)
    write_text(path, comparison_html(comparison))
    return path


def comparison_html(comparison: ComparisonFile) -> str:
    """The page."""
    names = comparison.result.names
    sections = [_headline(comparison), _settings(comparison), _numbers(comparison), _grid(comparison)]
    return page(" against ".join([*names[1:], names[0]]), [*sections, _worse(comparison)])


def _headline(comparison: ComparisonFile) -> str:
    names, result = comparison.result.names, comparison.result
    said = "".join(f"<p class=lead>{escape(sentence(result, place))}</p>" for place in range(1, len(names)))
    return (
        f"<header><p class=kicker>Judge Studio comparison</p><h1>{escape(' · '.join(names))}</h1>{said}"
        f"<p class=dim>On {escape(comparison.benchmark)}, {number_on(comparison.benchmark)}, strict: an item counts "
        "when the verdicts in both orders are right. Intervals are 95 %, clustered by image; gains are paired, with a "
        "sign-flip test over images.</p>"
        "</header>"
    )


def _settings(comparison: ComparisonFile) -> str:
    runs = comparison.runs
    if len(runs) == 1:
        return f"<section><h2>Settings</h2><p>All of run {escape(runs[0])}, so with the same settings.</p></section>"
    if not comparison.settings:
        return "<section><h2>Settings</h2><p>The runs have the same settings.</p></section>"
    rows = [(name, *values) for name, values in comparison.settings.items()]
    return f"<section><h2>Settings that differ</h2>{table(('setting', *runs), rows)}</section>"


def _numbers(comparison: ComparisonFile) -> str:
    result = comparison.result
    head = ["slice", "items", *result.names, *(f"{name} against {result.names[0]}" for name in result.names[1:])]
    rows = []
    for dimension in result.dimensions():
        scores = [scores.get(dimension) for scores in result.scores]
        gains = [against.gains.get(dimension) for against in result.against]
        rows.append([
            "overall" if dimension == ALL else dimension.removeprefix("kind:"),
            max(score.n for score in scores if score is not None),
            *("–" if one is None else f"{one.accuracy:.3f} ({one.low:.3f} to {one.high:.3f})" for one in scores),
            *(points(_against(one)) for one in gains),
        ])  # fmt: skip
    return f"<section><h2>By dimension</h2>{table(head, rows)}</section>"


def _against(gain: Gain | None) -> Against | None:
    if gain is None:
        return None
    return Against(n=gain.n, gain=gain.gain, gain_low=gain.low, gain_high=gain.high, p=gain.p)


def _grid(comparison: ComparisonFile) -> str:
    """Every item as a column of lenses, one per side."""
    result = comparison.result
    parts = []
    for dimension in sorted({row.dimension for row in result.rows}):
        cells = "".join(
            f'<span title="{escape(row.item_id)}">{"".join(_lens(ended) for ended in row.ended)}</span>'
            for row in result.rows
            if row.dimension == dimension
        )
        parts.append(f"<h3>{escape(dimension)}</h3><div class=grid-of>{cells}</div>")
    words = ", then ".join(escape(name) for name in result.names)
    return (
        f"<section>{_LENSES}<h2>Every item</h2><p class=dim>One column per item, from top to bottom: {words}. Filled "
        "lens: both orders agree, green right, red wrong; apart: the orders contradict each other; dashed: no verdict; "
        f"a dot: not asked.</p>{''.join(parts)}</section>"
    )


def _lens(ended: str | None) -> str:
    if ended is None:
        return '<i class="none" title="not asked">·</i>'
    use = f'<use href="#{_SHAPES[ended]}"/>'
    return f'<svg class="lens {ended}" viewBox="0 0 24 14" role="img" aria-label="{ended}">{use}</svg>'


def _worse(comparison: ComparisonFile) -> str:
    """What the first side had right and another has not, by id."""
    rows = comparison.result.of("worse")
    if not rows:
        return "<section><h2>What got worse</h2><p>Nothing that the first one had right.</p></section>"
    ids = [row.item_id for row in rows[:_MOST_SHOWN]]
    said = [_said(side, ids) for side in comparison.sides]
    items = {item_id: item for side in reversed(comparison.sides) for item_id, item in side.items.items()}
    more = f" The first {_MOST_SHOWN} by dimension and id are shown." if len(rows) > _MOST_SHOWN else ""
    better = len(comparison.result.of("better"))
    shown = "".join(
        _article(comparison, items[row.item_id], row.ended, [one.get(row.item_id, {}) for one in said])
        for row in rows[:_MOST_SHOWN]
    )
    return (
        f"<section><h2>What got worse</h2><p class=dim>{len(rows):,} items; {better:,} got better.{more}</p>"
        f"<div class=cards>{shown}</div></section>"
    )


def _said(side: Side, ids: Sequence[str]) -> dict[str, dict[str, VerdictRow]]:
    wanted = set(ids)
    found: dict[str, dict[str, VerdictRow]] = {}
    for row in side.verdicts:
        if row.item_id in wanted:
            found.setdefault(row.item_id, {})[row.order] = row
    return found


def _article(
    comparison: ComparisonFile,
    item: BenchmarkItem,
    ended: Sequence[str | None],
    said: Sequence[Mapping[str, VerdictRow]],
) -> str:
    names = comparison.result.names
    fates = " · ".join(f"{escape(name)}: {one or 'not asked'}" for name, one in zip(names, ended, strict=True))
    parts = "".join(_beside(names, place, order, said) for place in range(1, len(names)) for order in ORDERS)
    return (
        f"<article>{picture(comparison.picture_of(item))}<div><p class=fate>{fates}</p>"
        f"<p><b>Question</b> {escape(item.question)}</p><p><b>Preferred</b> {escape(item.preferred)}</p>"
        f"<p><b>Degraded</b> {escape(item.degraded)}</p>{parts}</div></article>"
    )


def _beside(names: Sequence[str], place: int, order: str, said: Sequence[Mapping[str, VerdictRow]]) -> str:
    """Both reasonings in one order, sentence against sentence; nothing where one has none."""
    one, other = said[0].get(order), said[place].get(order)
    if one is None or other is None or not (one.reasoning or other.reasoning):
        return ""
    head = "".join(
        f"<th>{escape(name)}, order {order}: {outcome(row.verdict, row.order)}</th>"
        for name, row in ((names[0], one), (names[place], other))
    )
    lines = "".join(
        f"<tr><td>{_marked(left, 'del')}</td><td>{_marked(right, 'ins')}</td></tr>"
        for left, right in aligned(one.reasoning, other.reasoning)
    )
    return f"<div class=wide><table class=beside><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"


def _marked(runs: Sequence[Run], tag: str) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" if differs else escape(text) for text, differs in runs)
