"""The duel at the head of a finished run: what training changed, on items of the run's own benchmark, in the replies
that were really given. One that training mended, then one that got worse.
"""

from collections.abc import Sequence

from engine.errors import JudgeStudioError
from engine.measure.controls import is_control, judge_behind
from engine.measure.metrics import ALL, STRICT
from engine.records import BASE_JUDGE, ScoreRow
from engine.workspace.decisions import best_judge
from engine.workspace.folders import RunFolder
from engine.workspace.state import read_state
from studio.look import cards, words
from studio.look.cards import Duel, DuelHalf, DuelSide, ShownPicture
from studio.page.page import Page
from studio.page.place import link
from studio.queries.scores import run_scores
from studio.queries.turned import TurnedItem, turned_items
from studio.queries.verdicts import question_pictures


def show_duel(page: Page, run: str | None) -> str:
    """The panel as HTML; "" while the run is not done, or where its best version is the base model."""
    found = page.workspace.runs()
    folder = next((one for one in found if one.name == run), found[0] if found else None)
    if folder is None:
        return ""
    try:
        if read_state(folder).state != "done":
            return ""
        best = best_judge(folder)
        turned = turned_items(page.catalog(), folder.name, best)
    except (JudgeStudioError, TypeError):  # a damaged run; the card above says so
        return ""
    return _panel(page, folder, best, turned) if turned else ""


def _panel(page: Page, folder: RunFolder, best: str, turned: list[TurnedItem]) -> str:
    about = cards.explained(
        "Real replies, on pictures held out of training. Each judge reads both answers twice, the second "
        "time in the other order, and counts as right only if it is right both times."
    )
    all_of_them = cards.link(
        "All that changed", link("versions", folder.name, {"versions.older": BASE_JUDGE, "versions.newer": best})
    )
    duels = [cards.duel(_duel(page, best, one)) for one in turned]
    body = cards.element("div", *duels, class_="st-duels")
    numbers = cards.explained(_numbers(run_scores(page.catalog(), folder.name), turned[0].item.benchmark, best))
    told = cards.padded(cards.element("p", numbers), cards.element("p", about, class_="st-sub"))
    return cards.sheet(cards.panel(told, body, title="What training changed", aside=all_of_them))


def _numbers(scores: Sequence[ScoreRow], benchmark: str, best: str) -> str:
    """Both judges' accuracies with their intervals, and the best of the judges that should not work."""
    rows = {
        row.judge: row
        for row in scores
        if (row.benchmark, row.protocol, row.dimension) == (benchmark, STRICT, ALL)
        and judge_behind(row.judge) in (row.judge, BASE_JUDGE, best)
    }
    judges = [rows[judge] for judge in (BASE_JUDGE, best) if judge in rows]
    told = [f"{row.judge} {words.decimal(row.accuracy)} ({words.interval(row.low, row.high)})" for row in judges]
    if not told:
        return ""
    controls = [row for row in rows.values() if is_control(row.judge)]
    top = max(controls, key=lambda row: row.accuracy, default=None)
    beside = (
        f" The best control, {words.control_name(top.judge)}, reaches {words.decimal(top.accuracy)}." if top else ""
    )
    items = f"{words.plural(judges[-1].n, 'item')} of {benchmark}"
    return f"Right in both orders, on {items}: {', '.join(told)}.{beside}"


def _duel(page: Page, best: str, turned: TurnedItem) -> Duel:
    item = turned.item
    first, then = (BASE_JUDGE, best) if turned.better else (best, BASE_JUDGE)
    about = (
        f"One of {words.plural(turned.alike, 'item')} of {words.number(turned.measured)} that {first} got wrong and "
        f"{then} right"
    )
    return Duel(
        better=turned.better,
        about=about,
        pictures=[
            ShownPicture(src=page.image_url(one.path), width=one.width)
            for one in question_pictures(item, turned.picture)
        ],
        question=item.question,
        preferred=item.preferred,
        degraded=item.degraded,
        sides=[_side("Before training", BASE_JUDGE, turned), _side("After training", best, turned)],
    )


def _side(title: str, judge: str, turned: TurnedItem) -> DuelSide:
    rows = sorted(turned.replies.get(judge, ()), key=lambda row: row.order)
    halves = [DuelHalf(order=row.order, verdict=row.verdict, reasoning=row.reasoning) for row in rows]
    return DuelSide(title=title, judge=judge, halves=halves)
