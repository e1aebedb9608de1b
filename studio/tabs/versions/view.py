"""What the Versions tab says of two judge versions: plain values in, HTML and figures out. No Gradio, no SQL."""

from collections.abc import Callable, Mapping, Sequence

from engine.measure.benchmarks.held_out import number_on
from engine.measure.controls import is_control, judge_behind
from engine.measure.intervals import Gain
from engine.measure.leaks import leak_sentences
from engine.measure.metrics import ALL, STRICT
from engine.measure.published import PublishedNumber, references
from engine.records import BASE_JUDGE, BenchmarkItem, ScoreRow
from studio.look import cards, charts, words
from studio.look import lazy_plotly as go
from studio.look.cards import Action, ChangedItem, ComparedRow, Html, Score, Stat
from studio.look.charts import ControlLine, DimensionDots, VersionPoint
from studio.page.place import link
from studio.queries.verdicts import ItemImage
from studio.tabs.versions.comparison import Change, Chosen, Compared, number_of

PAGE_SIZE = 8
"""Changed items of one page; each is 56 px high, so that the list is as high as the leans beside it."""
_PUBLISHED_LINES = 5
"""Under one protocol; the panel below the chart lists all."""
_CHART_DIMENSIONS = 12
"""Dots of more dimensions are not told apart; the table below has them all."""


class Table:
    """The scores of one benchmark under one protocol, by judge and slice."""

    def __init__(self, scores: Sequence[ScoreRow], chosen: Chosen) -> None:
        self._rows = {
            (row.judge, row.dimension): row
            for row in scores
            if (row.benchmark, row.protocol) == (chosen.benchmark, chosen.protocol)
        }

    def get(self, judge: str, dimension: str = ALL) -> ScoreRow | None:
        return self._rows.get((judge, dimension))

    def judges(self) -> list[str]:
        """Versions that have an overall score, oldest first."""
        found = {judge for judge, dimension in self._rows if dimension == ALL and not is_control(judge)}
        return sorted(found, key=number_of)

    def controls(self, newer: str) -> list[ScoreRow]:
        """Controls that stand beside `newer`: the model-free ones, and itself without its image or with another."""
        rows = [row for (judge, dimension), row in self._rows.items() if is_control(judge) and dimension == ALL]
        own = {row.judge for row in rows if judge_behind(row.judge) == newer}
        of_base = [row for row in rows if judge_behind(row.judge) == BASE_JUDGE]
        stand_in = {row.judge for row in of_base if f"{row.judge}:{newer}" not in own}
        free = {row.judge for row in rows if judge_behind(row.judge) == row.judge}
        return [row for row in rows if row.judge in own | stand_in | free]

    def dimensions(self, *judges: str) -> list[str]:
        """Slices but "all": kinds first, then dimensions, those with most items first."""
        sizes: dict[str, int] = {}
        for (judge, dimension), row in self._rows.items():
            if judge in judges and dimension != ALL:
                sizes[dimension] = max(sizes.get(dimension, 0), row.n)
        return sorted(sizes, key=lambda name: (not name.startswith("kind:"), -sizes[name], name))


def no_run() -> Html:
    """An empty workspace: there is no version at all, not even judge-v0."""
    go = Action(label="Open Home", url=link("home"), kind="main")
    return cards.empty("No run yet. A run measures judge-v0 first, then every version that it trains.", go)


def called(chosen: Chosen) -> str:
    """What the shares are called: "Accuracy", or what it is instead where the key is self-made."""
    name = number_on(chosen.benchmark)
    return name[0].upper() + name[1:]


def strip(table: Table, chosen: Chosen, result: Compared) -> Html:
    """Accuracy, gain, best control, got worse."""
    score, gain = table.get(chosen.newer), result.gains.get(ALL)
    controls = table.controls(chosen.newer)
    best = max(controls, key=lambda row: row.accuracy, default=None)
    worse, better = len(result.of("worse")), len(result.of("better"))
    told = f"{words.interval(gain.low, gain.high, sign=True)}, paired, {words.p_value(gain.p)}" if gain else ""
    is_same = chosen.older == chosen.newer
    strip = cards.stat_strip(
        [
            Stat(
                label=f"{called(chosen)}, {chosen.newer}",
                value=words.decimal(score.accuracy if score else None),
                context=f"{words.interval(score.low, score.high)}, {words.plural(score.n, 'item')}" if score else "",
            ),
            Stat(
                label=f"Gain on {chosen.older}",
                value="–" if is_same else words.signed(gain.gain if gain else None, missing="–"),
                context="choose two versions" if is_same else told or "no paired test for this protocol",
            ),
            Stat(
                label="Best control",
                value=words.decimal(best.accuracy if best else None, missing="–"),
                context=words.control_name(best.judge) if best else "none measured",
            ),
            Stat(
                label="Got worse",
                value="–" if is_same else words.number(worse),
                unit="" if is_same else "item" if worse == 1 else "items",
                context="" if is_same else f"of {words.number(result.items)}; {words.number(better)} got better",
            ),
        ],
        bare=True,
    )
    return cards.panel(strip)


def accuracy_figure(table: Table, chosen: Chosen, best: str) -> "go.Figure":
    """All versions under one protocol; controls and what others published under it as dashed lines."""
    points = [
        VersionPoint(judge=judge, accuracy=row.accuracy, low=row.low, high=row.high)
        for judge in table.judges()
        if (row := table.get(judge)) is not None
    ]
    controls = [
        ControlLine(name=words.control_name(row.judge), accuracy=row.accuracy) for row in table.controls(chosen.newer)
    ]
    coin = [charts.COIN_STRICT] if chosen.protocol == "strict" else []
    published = [
        ControlLine(name=result.judge, accuracy=result.overall, is_published=True)
        for result in published_beside(chosen)[:_PUBLISHED_LINES]
    ]
    return charts.accuracy_by_version(points, [*controls, *coin, *published], best=best)


def published_beside(chosen: Chosen) -> list[PublishedNumber]:
    """What others published on the chosen benchmark under the chosen protocol."""
    of = (chosen.benchmark, chosen.protocol)
    return [result for one in references() if (one.benchmark, one.protocol) == of for result in one.results]


def leak_notes(scores: Sequence[ScoreRow], chosen: Chosen) -> Html:
    """In words, what of the chosen benchmark can be won without its pictures; nothing where no control says so."""
    rows = [
        row
        for row in scores
        if row.benchmark == chosen.benchmark and judge_behind(row.judge) in (row.judge, chosen.newer)
    ]
    notes = [cards.note(sentence, tone="warn") for sentence in leak_sentences(rows)]
    return cards.element("div", *notes, class_="st-stack") if notes else cards.EMPTY


def accuracy_sentence(table: Table, chosen: Chosen, result: Compared, best: str, *, is_promoted: bool) -> str:
    """Which version is best and why, and what the two chosen ones differ by."""
    how = "chosen by a person" if is_promoted else "named by the statistics"
    parts = [f"{best} is the best version ({how})."]
    gain = result.gains.get(ALL)
    if gain is not None and chosen.older != chosen.newer:
        told = f"{words.signed(gain.gain, 3)} ({words.interval(gain.low, gain.high, 3, sign=True)})"
        parts.append(f"{chosen.newer} against {chosen.older}: {told}, which {_clearly(gain)}.")
    score = table.get(chosen.newer)
    controls = table.controls(chosen.newer)
    if score is not None and controls:
        top = max(controls, key=lambda row: row.accuracy)
        if top.accuracy >= score.low:
            where = "within the interval of" if top.accuracy <= score.high else "more than"
            parts.append(
                f"The control “{words.control_name(top.judge)}” reaches {words.decimal(top.accuracy)}, "
                f"{where} {chosen.newer}, which shows no more than that rule."
            )
    return " ".join(parts)


def _clearly(gain: Gain) -> str:
    if gain.excludes_zero:
        return "is a clear gain"
    return "is a clear loss" if _is_loss(gain) else "is not clear: interval and test do not both exclude zero"


def _is_loss(gain: Gain) -> bool:
    return gain.high < 0 and gain.p < 0.05


def dimension_rows(table: Table, chosen: Chosen, result: Compared) -> list[DimensionDots]:
    """Overall and the largest dimensions."""
    names = [name for name in table.dimensions(chosen.older, chosen.newer) if not name.startswith("kind:")]
    return [_dots(table, chosen, result, name) for name in [ALL, *names[:_CHART_DIMENSIONS]]]


def _dots(table: Table, chosen: Chosen, result: Compared, name: str) -> DimensionDots:
    old, new, gain = table.get(chosen.older, name), table.get(chosen.newer, name), result.gains.get(name)
    shown = new or old
    return DimensionDots(
        name=slice_name(name),
        n=shown.n if shown else 0,
        older=(old.accuracy, old.low, old.high) if old else None,
        newer=(new.accuracy, new.low, new.high) if new else None,
        gain=gain.gain if gain else None,
        gain_excludes_zero=gain is not None and (gain.excludes_zero or _is_loss(gain)),
    )


def slice_name(dimension: str) -> str:
    return "overall" if dimension == ALL else dimension.removeprefix("kind:")


def dimension_sentence(result: Compared) -> str:
    """Which dimensions changed clearly."""
    parts = {name: gain for name, gain in result.gains.items() if name != ALL and not name.startswith("kind:")}
    up = [name for name, gain in parts.items() if gain.excludes_zero]
    down = [name for name, gain in parts.items() if _is_loss(gain)]
    said = [f"{_listed(names)} clearly {word}." for names, word in ((up, "improved"), (down, "got worse")) if names]
    if not parts:
        return "No paired test for this choice."
    rest = [name for name in parts if name not in (*up, *down)]
    if not said:
        return "No dimension changed clearly: none has interval and test both excluding zero."
    if rest:
        others = _listed(rest) if len(rest) <= 3 else f"the other {len(rest)} dimensions"
        said.append(f"{others[:1].upper()}{others[1:]} did not change clearly.")
    return " ".join(said)[:1].upper() + " ".join(said)[1:]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def numbers_table(table: Table, chosen: Chosen, result: Compared) -> Html:
    """Every slice with its numbers: what the charts show, to read and to copy."""
    rows = []
    for name in [ALL, *table.dimensions(chosen.older, chosen.newer)]:
        old, new, gain = table.get(chosen.older, name), table.get(chosen.newer, name), result.gains.get(name)
        shown = new or old
        rows.append(
            ComparedRow(
                name=slice_name(name),
                n=shown.n if shown else 0,
                older=_score(old),
                newer=_score(new),
                gain=gain.gain if gain else None,
                gain_low=gain.low if gain else None,
                gain_high=gain.high if gain else None,
                p=gain.p if gain else None,
            )
        )
    body = cards.comparison_table(rows, older=chosen.older, newer=chosen.newer)
    note = cards.sub(
        "Intervals are 95 %, clustered by image. Gain: same items, Student's t over images, sign-flip test.", dim=True
    )
    return cards.panel(body, title="All numbers", foot=note)


def _score(row: ScoreRow | None) -> Score | None:
    return Score(accuracy=row.accuracy, low=row.low, high=row.high) if row else None


def leans_panel(table: Table, chosen: Chosen) -> Html:
    """Position lean, length lean and invalid rate of both versions on one ruler each."""
    old, new = table.get(chosen.older), table.get(chosen.newer)
    scales = [
        cards.position_lean(old.position_lean if old else None, new.position_lean if new else None),
        cards.length_lean(old.length_lean if old else None, new.length_lean if new else None),
        cards.invalid_rate(old.invalid if old else None, new.invalid if new else None),
    ]
    body = cards.lean_card(scales, older_name=chosen.older, newer_name=chosen.newer)
    return cards.panel(body, title="Leans", aside=cards.legend((chosen.older, "base"), (chosen.newer, "new")))


ImageUrl = Callable[[str | None], str | None]


def changes_list(
    changes: Sequence[Change],
    known: Mapping[str, tuple[BenchmarkItem, ItemImage]],
    chosen: Chosen,
    image_url: ImageUrl,
    *,
    run: str,
    change: str,
) -> Html:
    """One page of changed items; each leads to Compare, where both versions' reasonings stand beside each other."""
    where = {
        "compare.sides": f"{run}/{chosen.older},{run}/{chosen.newer}",
        "compare.benchmark": chosen.benchmark,
        "compare.view": "items",
        "compare.change": change if chosen.protocol == STRICT else "all",
    }
    rows = []
    for one in changes:
        item, picture = known.get(one.item_id, (None, ItemImage(path=None, width=None)))
        rows.append(
            ChangedItem(
                item_id=one.item_id,
                src=image_url(picture.path),
                width=picture.width,
                question=item.question if item else one.item_id,
                dimension=one.dimension,
                older=one.older,
                newer=one.newer,
                url=link("compare", run, {**where, "compare.item": one.item_id}),
            )
        )
    return cards.changed_list(rows, older=chosen.older, newer=chosen.newer)


def pager(first: int, shown: int, changes: Sequence[Change], kind: str) -> Html:
    """Where the page stands, and the buttons that turn it."""
    total = len(changes)
    if not total:
        nothing = {"worse": "No item got worse.", "better": "No item got better."}.get(kind, "No other change.")
        return cards.element("span", cards.esc(nothing))
    sizes: dict[str, int] = {}
    for change in changes:
        sizes[change.dimension] = sizes.get(change.dimension, 0) + 1
    top = max(sizes, key=lambda name: sizes[name])
    most = f" {words.number(sizes[top])} of them are {top}." if len(sizes) > 1 else ""
    text = f"{words.number(first + 1)} to {words.number(first + shown)} of {words.number(total)}.{most}"
    back = Action(label="Previous", act="previous-page", small=True, disabled=first == 0)
    forth = Action(label="Next", act="next-page", small=True, disabled=first + shown >= total)
    buttons = cards.element("span", cards.button(back), cards.button(forth), class_="st-row is-tight")
    return cards.element("div", cards.element("span", cards.esc(text)), buttons, class_="st-between")
