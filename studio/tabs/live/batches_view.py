"""What the Live judge tab shows of files of comparisons: how far each is, and what the judges say of it all together.

Plain values in, HTML out. No Gradio.
"""

from collections.abc import Mapping, Sequence

from engine.judging.ruling import Outcome
from engine.measure.file_result import FileResult, JudgesAgree
from studio.jobs.batches import JudgedFile
from studio.look import cards, words
from studio.look.cards import Action, Column, Html

_BATCH_COLUMNS = (
    Column(name="File"),
    Column(name="State"),
    Column(name="Judges", is_optional=True),
    Column(name="Verdicts", is_number=True),
    Column(name="", is_number=True),
)


def show_batches(found: Sequence[JudgedFile], results: Mapping[str, FileResult]) -> str:
    """Every uploaded file with its progress and what can be done with it, and below it what the judges say of it all
    together; nothing while there is none."""
    if not found:
        return ""
    rows = [
        cards.row(
            _BATCH_COLUMNS,
            [
                cards.element("span", cards.esc(batch.name, limit=80), dir="auto", title=batch.name[:200]),
                _batch_state(batch),
                cards.esc(", ".join(batch.judges), limit=120),
                cards.esc(f"{words.number(batch.done)} of {words.number(batch.total)}"),
                _batch_buttons(batch),
            ],
        )
        for batch in found
    ]
    table = cards.table(_BATCH_COLUMNS, rows, caption="Files of comparisons")
    return cards.sheet(table, *(_result(batch, results[batch.key]) for batch in found if batch.key in results))


_RESULT_COLUMNS = (
    Column(name="Judge"),
    Column(name="A wins", is_number=True),
    Column(name="B wins", is_number=True),
    Column(name="Ties", is_number=True, is_optional=True),
    Column(name="Flips", is_number=True),
    Column(name="Invalid", is_number=True, is_optional=True),
)


def _result(batch: JudgedFile, result: FileResult) -> Html:
    """Wins and flips per judge, and agreement of every two."""
    rows = [
        cards.row(
            _RESULT_COLUMNS,
            [
                cards.esc(one.judge, limit=80),
                *(cards.esc(_share(one.outcomes[outcome], one.rulings)) for outcome in _OUTCOMES),
            ],
        )
        for one in result.judges
    ]
    told = [cards.padded(cards.sub(_agreement(one))) for one in result.agreement]
    head = cards.panel_head(f"What they say of {batch.name[:80]}")
    caption = f"Rulings on {batch.name[:80]}"
    return cards.element("section", head, cards.table(_RESULT_COLUMNS, rows, caption=caption), *told)


_OUTCOMES: tuple[Outcome, ...] = ("A", "B", "tie", "order-flip", "invalid")


def _share(count: int, total: int) -> str:
    return f"{words.number(count)} ({words.percent(count / total)})" if total else "–"


def _agreement(one: JudgesAgree) -> str:
    names = f"{one.first[:80]} and {one.second[:80]}"
    if one.kappa is None:
        return f"{names} never both name an answer."
    share = words.percent(one.kappa.agreement)
    told = f"{names} name the same answer on {share} of the {words.number(one.kappa.labels)} on which both name one"
    if one.kappa.kappa is None:
        return f"{told}. κ is not known: both named the same answer everywhere."
    return f"{told}; κ {words.decimal(one.kappa.kappa)} ({words.interval(one.kappa.low, one.kappa.high)})."


def _batch_state(batch: JudgedFile) -> Html:
    chip = cards.state_chip(batch.state)
    if not batch.error:
        return chip
    return cards.element("span", chip, cards.element("small", cards.esc(batch.error, limit=300)), class_="st-stack")


def _batch_buttons(batch: JudgedFile) -> Html:
    acts: list[Action] = []
    if batch.done:
        acts.append(Action(label="Verdicts", act="verdicts", key=batch.key, small=True))
    if batch.state == "running":
        acts.append(Action(label="Cancel", act="cancel", key=batch.key, kind="stop", small=True))
    else:
        if batch.state != "done":
            acts.append(Action(label="Resume", act="resume", key=batch.key, small=True))
        acts.append(Action(label="Remove", act="remove", key=batch.key, small=True))
    return cards.element("span", *(cards.button(act) for act in acts), class_="st-row is-tight")
