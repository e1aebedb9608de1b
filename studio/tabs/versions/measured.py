"""How one version's numbers on a benchmark came about: each protocol it was measured under, what others published, and
what a reader must know. Plain values in, HTML out."""

from collections.abc import Sequence

from engine.measure.begun import begun_lines
from engine.measure.benchmarks import PUBLISHED
from engine.measure.benchmarks.held_out import AGREEMENT, NAME, deciding_note
from engine.measure.benchmarks.protocol import PARTIAL
from engine.measure.own_protocols import known_protocols
from engine.measure.published import reference_lines
from engine.measure.scores import near_training_lines
from engine.measure.seeds import seed_lines
from engine.records import ScoreRow
from engine.workspace.folders import RunFolder
from studio.look import cards, words
from studio.look.cards import Column, Html
from studio.tabs.versions.comparison import Chosen

_WHY_THEY_DIFFER = (
    "The numbers differ because prompt, sampling, the orders shown, and what becomes of a reply without a verdict do."
)
_COLUMNS = (
    Column(name="Protocol"),
    Column(name="Right", is_number=True),
    Column(name="Counted", is_number=True, is_optional=True),
    Column(name="Invalid", is_number=True, is_optional=True),
    Column(name="Says A", is_number=True, is_optional=True),
    Column(name="How it asks and counts", is_far=True),
)


def measured_panel(scores: Sequence[ScoreRow], chosen: Chosen, run: RunFolder, *, deciding: str) -> Html:
    """The newer version under every protocol, with rules, references and caveats. `deciding`: the benchmark by which
    the best version is chosen."""
    rows = _headlines(scores, chosen)
    why = [cards.sub(_WHY_THEY_DIFFER, dim=True)] if len(rows) > 1 else []
    told = [cards.note(text) for text in notes(chosen.benchmark, scores, run, deciding=deciding)]
    published = [cards.sub(line, dim=True) for line in reference_lines(chosen.benchmark)]
    if published:
        published.insert(0, cards.sub("Published by others, comparable only under the same protocol:"))
    below = cards.element("div", *why, *told, *published, class_="st-stack is-close")
    return cards.panel(
        cards.table(_COLUMNS, [_row(row, chosen) for row in rows], caption=f"{chosen.newer} by protocol"),
        cards.padded(below) if why or told or published else cards.EMPTY,
        title=f"How {chosen.newer} was measured on {chosen.benchmark}",
    )


def notes(benchmark: str, scores: Sequence[ScoreRow], run: RunFolder, *, deciding: str) -> list[str]:
    """What a reader of the numbers on a benchmark must know, in sentences."""
    said = []
    if benchmark == NAME:
        said.append(f"Its labels are judge-v0's own, so the number is {AGREEMENT}, not with a person.")
    if benchmark == deciding and (note := deciding_note(benchmark)):
        said.append(note)
    left_out = max((row.left_out for row in scores if row.benchmark == benchmark), default=0)
    if left_out:
        said.append(f"{words.plural(left_out, 'row')} had no usable picture, so they were not measured.")
    said += [line.strip() for line in near_training_lines(run) if line.strip().startswith(f"{benchmark}: ")]
    said += PUBLISHED[benchmark].defects if benchmark in PUBLISHED else ()
    return said + ([*begun_lines(run), *seed_lines(run)] if benchmark == deciding else [])


def _headlines(scores: Sequence[ScoreRow], chosen: Chosen) -> list[ScoreRow]:
    """Per protocol the number that its authors print, in the order of the protocols' list."""
    known = known_protocols(chosen.benchmark)
    found = {
        row.protocol: row
        for row in scores
        if (row.judge, row.benchmark) == (chosen.newer, chosen.benchmark)
        and (name := row.protocol.removesuffix(PARTIAL)) in known
        and row.dimension == known[name].headline
    }
    order = list(known)
    return sorted(found.values(), key=lambda row: order.index(row.protocol.removesuffix(PARTIAL)))


def _row(row: ScoreRow, chosen: Chosen) -> Html:
    rule = known_protocols(chosen.benchmark)[row.protocol.removesuffix(PARTIAL)].rule
    says_a = None if row.position_lean is None else 0.5 + row.position_lean
    interval = cards.element("small", cards.esc(words.interval(row.low, row.high, 3)))
    cells = [
        cards.esc(row.protocol + ("" if row.dimension == "all" else f" ({row.dimension})")),
        cards.element("span", cards.esc(words.decimal(row.accuracy, 3)), interval, class_="st-two"),
        cards.esc(words.number(row.n)),
        cards.esc(words.percent(row.invalid, 1)),
        cards.esc(words.decimal(says_a, missing="–")),
        cards.sub(rule, dim=True),
    ]
    return cards.row(_COLUMNS, cells, selected=row.protocol == chosen.protocol)
