"""Every card built from one text in every place that text can reach, for the tests of escaping and of the style."""

import json
from collections.abc import Callable, Mapping

from studio.look import cards as c

Html = c.Html


def pair(text: str, **changes: object) -> c.PairCard:
    """A pair card with the text in each of its fields."""
    values: dict[str, object] = {
        "pair_id": text,
        "src": text,
        "width": 48,
        "question": text,
        "strategy": text,
        "dimension": text,
        "preferred": f"It shows {text} here. And more.",
        "degraded": f"It shows something else: {text}. And more.",
        "votes": json.dumps({text: 9, f"{text} too": 5, "c": 1, "d": 1, "e": 1}),
        "fate": text,
        "fate_words": text,
        "flagged": True,
        "url": text,
    }
    return c.PairCard(**(values | changes))  # type: ignore[arg-type]


def duel(text: str) -> c.Duel:
    """A duel with the text in each of its fields."""
    halves = [c.DuelHalf(order=order, verdict=text, reasoning=text) for order in ("AB", "BA")]
    sides = [c.DuelSide(title=text, judge=text, halves=halves)] * 2
    return c.Duel(
        better=True,
        about=text,
        pictures=[c.ShownPicture(src=text, width=48)],
        question=text,
        preferred=text,
        degraded=f"not {text}",
        sides=sides,
    )


def half(text: str, order: str, verdict: str = "A") -> c.TraceHalf:
    """A trace whose reasoning holds the text and a verdict token."""
    return c.TraceHalf(
        order=order, verdict=verdict, reasoning=f"{text}\nVerdict: [[A]]", tokens=3, sample=0, samples=2, reason=text,
        mark=text, is_marked=True,
    )  # fmt: skip


def trace(text: str, **changes: object) -> c.TraceCard:
    """A trace card with the text in each of its fields."""
    values: dict[str, object] = {
        "pair_id": text,
        "src": text,
        "width": 4000,
        "question": text,
        "strategy": text,
        "dimension": text,
        "preferred": text,
        "degraded": f"{text} not",
        "fate": text,
        "why": text,
        "ab": half(text, "AB"),
        "ba": half(text, "BA", text),
        "url": text,
    }
    return c.TraceCard(**(values | changes))  # type: ignore[arg-type]


def action(text: str) -> c.Action:
    return c.Action(label=text, act=text, key=text, hint=text, said=text, url=text, kind="main", small=True, wide=True)


def _ledger(text: str) -> Html:
    cells = [
        c.StageCell(state=state, count=text, detail=text, done_share=0.4)  # type: ignore[arg-type]
        for state in ("done", "running", "waiting", "stopped", "failed")
    ]
    return c.stage_ledger(
        [
            c.LedgerRow(title=text, note=text, cells=cells, line=text, current=True),
            c.LedgerRow(title=text, note=text, cells=cells[:3], line=text),
        ]
    )


def _funnel(text: str) -> Html:
    steps = [
        c.FunnelStep(label=text, left=90, key=text, context=text),
        c.FunnelStep(label=text, left=60, lost=30, reason=text, earlier=text, key=text, url=text),
        c.FunnelStep(label=text, left=50, lost=10, reason="order-flip", key="x"),
    ]
    return c.funnel(steps, selected=text)


def _drawer(text: str) -> Html:
    return c.pair_drawer(
        c.PairDetail(
            card=pair(text),
            fault=text,
            judge=text,
            rulings=[c.RulingRow(order="AB", verdict=text), c.RulingRow(order="BA", verdict="B")],
            provenance=[(text, text)],
            traces_url=text,
        )
    )


def _runs(text: str) -> Html:
    row = c.RunRow(
        run=text,
        state=text,
        base_model=text,
        source=text,
        iteration=1,
        iterations=4,
        accuracies=(0.4, None, 0.6),
        best=text,
        best_accuracy=0.6,
        kept_share=0.4,
        seconds=3.0,
        bytes=84,
        url=text,
    )
    return c.runs_table([row], selected=text)


def _compared(text: str) -> Html:
    row = c.ComparedRow(
        name=text,
        n=4,
        older=c.Score(accuracy=0.4, low=0.3, high=0.5),
        newer=None,
        gain=0.1,
        gain_low=0.05,
        gain_high=0.2,
        p=0.01,
    )
    return c.comparison_table([row], older=text, newer=text)


def _lineage(text: str) -> Html:
    score = c.Score(accuracy=0.4, low=None, high=None)
    row = c.LineageRow(
        judge=text,
        parent=text,
        trained_on=3,
        steps=4,
        accuracy=score,
        is_best=True,
        is_promoted=True,
        note=text,
        url=text,
    )
    return c.lineage_table([row], selected=text)


def _live(text: str) -> Html:
    writing = c.LiveHalf(first="A", state="writing", text=text, tokens=3)
    done = c.LiveHalf(first="B", state="done", text=f"{text} [[A]]", verdict="A", tokens=3, seconds=1.0, confidence=0.5)
    odd = c.LiveHalf(first="A", state="done", text=text, verdict=text)
    return c.live_results(
        [
            c.LiveResult(judge=text, about=text, a_first=writing, b_first=done),
            c.LiveResult(judge=text, about=text, a_first=odd, b_first=done, failed=text),
        ]
    )


def _changed(text: str) -> Html:
    item = c.ChangedItem(
        item_id=text, src=text, question=text, dimension=text, older=text, newer="wrong", url=text, width=48
    )
    return c.changed_list([item], older=text, newer=text)


def _confirm(text: str) -> Html:
    return c.confirm(text, text, yes=action(text), no=action(text))


CARDS: Mapping[str, Callable[[str], Html]] = {
    "beside_grid": lambda text: c.beside_grid(
        [c.BesideItem(item_id=text, src=text, width=9, question=text, dimension=text, ended=(text, None))],
        [text, text],
        selected=text,
    ),
    "beside_numbers": lambda text: c.beside_numbers(
        [
            c.BesideRow(
                name=text,
                n=1,
                scores=[None, c.Score(accuracy=0.5, low=0.1, high=0.9)],
                gains=[c.PairedGain(gain=0.1, low=-0.1, high=0.2, p=0.5)],
            )
        ],
        [text, text],
    ),
    "brand": c.brand,
    "button": lambda text: c.button(action(text)),
    "changed_list": _changed,
    "chip": lambda text: c.chip(text, "flip"),
    "chips": lambda text: c.chips(text, text),
    "command": c.command,
    "comparison_table": _compared,
    "confirm": _confirm,
    "doctor_table": lambda text: c.doctor_table([c.Check(name=text, found=text, state="bad", advice=text)]),
    "element": lambda text: c.element("span", c.esc(text), title=text, data_id=text),
    "empty": lambda text: c.empty(text, action(text), title=text, command_line=text),
    "empty_place": lambda _: c.empty_place("pairs"),
    "esc": c.esc,
    "fate": lambda text: c.fate(text, text),
    "folded_replies": lambda text: c.folded_replies(text, [(text, text), (text, "")]),
    "first_steps": lambda _: c.first_steps(),
    "funnel": _funnel,
    "heartbeat": lambda text: c.heartbeat(text, pulse="late"),
    "history_list": lambda text: c.history_list(
        [c.HistoryRow(key=text, question=text, rulings=[(text, text), (text, "A")], when=text, url=text)]
    ),
    "image_grid": lambda text: c.image_grid(
        [
            c.GridImage(src=text, name=text, width=4, height=4, mark=text, key=text),
            c.GridImage(src=None, name=text, width=4, height=4),
        ],
        total=9,
    ),
    "join": lambda text: c.join([c.esc(text), c.esc(text)], text),
    "key_values": lambda text: c.key_values([(text, text)], wide=True),
    "lean_card": lambda text: c.lean_card([c.position_lean(0.4, 0.1)], older_name=text, newer_name=text),
    "lean_scale": lambda text: c.lean_scale(
        c.LeanScale(title=text, what=text, older=None, newer=9.0, is_share=True), text, text
    ),
    "legend": lambda text: c.legend((text, "new"), (text, "control")),
    "letter_mark": c.letter_mark,
    "line_by_line": lambda text: c.line_by_line(f"{text}. Same.", f"x {text}. Same."),
    "lineage_table": _lineage,
    "link": lambda text: c.link(text, text),
    "live_result": lambda _: Html(""),  # inside live_results
    "live_results": _live,
    "log_lines": lambda text: c.log_lines([c.LogLine(time=text, text=text, bad=True)]),
    "note": lambda text: c.note(text, tone="error", action=action(text)),
    "order_mark": c.order_mark,
    "padded": lambda text: c.padded(c.esc(text)),
    "pair_card": lambda text: c.pair_card(pair(text), selected=True),
    "pair_drawer": _drawer,
    "pair_grid": lambda text: c.pair_grid([pair(text), pair(text, url=None, votes=text)], selected=text),
    "pair_text": lambda text: c.pair_text(f"{text}. Same.", f"x {text}. Same.", collapse=True),
    "panel": lambda text: c.panel(c.esc(text), title=text, aside=c.esc(text), foot=c.esc(text)),
    "panel_foot": lambda text: c.panel_foot(c.esc(text)),
    "panel_head": lambda text: c.panel_head(text, c.esc(text)),
    "picture": lambda text: c.picture(text, text, width=9, zoom=True),
    "pictures": lambda text: c.pictures([c.ShownPicture(src=text, width=9), c.ShownPicture(src=text)], text),
    "plan": lambda text: c.plan([c.PlanRow(stage=text, what=text, time=text)]),
    "press": lambda text: c.press(c.esc(text), act=text, key=text, class_="st-btn"),
    "reasoning": lambda text: c.reasoning(text, caret=True, aside=text),
    "result_table": lambda text: c.result_table(
        [text, text], [[text, None], [1, 2.0]], more=True, urls={text: [text, None]}
    ),
    "row": lambda text: c.row((c.Column(name=text),), [c.esc(text)]),
    "runs_table": _runs,
    "says": c.says,
    "schema_browser": lambda text: c.schema_browser([c.SchemaTable(name=text, columns=[(text, text)], rows=3)]),
    "sheet": lambda text: c.sheet(c.esc(text)),
    "skipped_files": lambda text: c.skipped_files([c.SkippedFile(name=text, reason=text)], total=7),
    "sparkline": lambda _: c.sparkline((0.4, 0.5)),
    "stage_ledger": _ledger,
    "stage_list": lambda text: c.stage_list([c.StageCell(state="waiting", count=text)]),
    "stat_strip": lambda text: c.stat_strip([c.Stat(label=text, value=text, unit=text, context=text)]),
    "state_chip": c.state_chip,
    "duel": lambda text: c.duel(duel(text)),
    "explained": c.explained,
    "shipped_note": c.shipped_note,
    "tour_button": lambda _: c.tour_button(),
    "sub": c.sub,
    "table": lambda text: c.table((c.Column(name=text),), [], caption=text),
    "tick_bar": lambda text: c.tick_bar("running", 0.4, label=text),
    "trace_card": lambda text: c.trace_card(trace(text)),
    "trace_list": lambda text: c.trace_list([trace(text, fate="wrong", why=None), trace(text, ab=None, fate=None)]),
    "verdict_chip": lambda text: c.verdict_chip(text, text),
    "vote_histogram": lambda text: c.vote_histogram(c.read_votes(json.dumps({text: 3, "b": 2}), text)),
}
"""Name of the function → the card with the text wherever it takes one."""
