"""The funnel of the Traces tab: from synthesized to trained, what each rule of select removed. No Gradio, no SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.errors import JudgeStudioError
from engine.stages.select.reasons import KEPT, REASONS
from engine.workspace.catalog.database import Catalog
from engine.workspace.folders import Workspace
from studio.look import cards, words
from studio.look.cards import FunnelStep, Html
from studio.queries.shelf_tables import WAITING
from studio.queries.traces import TraceFacets, reasons, verdicts
from studio.tabs.traces.place import TracesPlace
from studio.tabs.traces.replay import stored_settings


def funnel_panel(catalog: Catalog, workspace: Workspace, run: str, place: TracesPlace, offered: TraceFacets) -> Html:
    """From synthesized to trained: what each rule of select removed. One iteration at a time."""
    iteration = int(place.iteration) if place.iteration.isdecimal() else offered.iterations[-1]
    counts = reasons(catalog, run, iteration)
    steps = funnel_steps(counts, verdicts(catalog, run, iteration))
    other = int(place.compare) if place.compare.isdecimal() and int(place.compare) in offered.iterations else None
    if other is not None and other != iteration:
        steps = _beside(steps, reasons(catalog, run, other), verdicts(catalog, run, other), other)
    about = ", ".join(part for part in (f"Iteration {iteration}", *_ruled_by(offered), _rule(workspace, run)) if part)
    aside = cards.element("span", cards.esc(about), class_="st-sub")
    waiting = counts.get(WAITING, 0)
    foot = cards.EMPTY
    if waiting:
        foot = cards.sub(
            f"{words.plural(waiting, 'trace')} not selected yet: only what the verdicts say is counted here.", dim=True
        )
    return cards.panel(
        cards.funnel(steps, selected=place.reason or ("kept" if place.fate == "kept" else None)),
        title="From pairs to training data",
        aside=aside,
        foot=foot,
    )


def funnel_steps(counts: Mapping[str, int], said: Mapping[str, int]) -> list[FunnelStep]:
    """The steps from the reason codes; before select from the verdicts alone."""
    if counts.get(WAITING):
        counts = {"invalid": said["invalid"], "tie": said["tie"], "wrong": said["wrong"], "right": said["right"]}
    total = sum(counts.values())
    is_selected = "right" not in counts
    steps = [FunnelStep(label="Ruled", left=total, context="traces", key="")]
    left = total
    for code, reason in REASONS.items():
        lost = counts.get(code, 0)
        if code != KEPT and (lost or (reason.usual and (is_selected or code != "order-flip"))):
            left -= lost
            steps.append(FunnelStep(label=reason.passed, left=left, lost=lost, reason=code, key=code))
    if not is_selected:
        return steps
    share = words.percent(left / total) if total else ""
    return [*steps, FunnelStep(label=REASONS[KEPT].passed, left=left, context=f"{share} of all", key="kept")]


def _beside(
    steps: Sequence[FunnelStep], counts: Mapping[str, int], said: Mapping[str, int], iteration: int
) -> list[FunnelStep]:
    """The steps with what the same step left in another iteration, as a share of all its traces."""
    others = {step.key: step for step in funnel_steps(counts, said)}
    whole = others[""].left or 1
    mine = steps[0].left or 1
    result = []
    for step in steps:
        other = others.get(step.key)
        if other is None or step.key == "":
            text = f"iteration {iteration}: {words.number(other.left)}" if other else None
        else:
            text = f"{words.percent(step.left / mine)}, iteration {iteration}: {words.percent(other.left / whole)}"
        result.append(replace(step, earlier=text))
    return result


def _ruled_by(offered: TraceFacets) -> list[str]:
    names = [judge for judge, count in offered.judges if count] or [judge for judge, _ in offered.judges]
    return [f"ruled on by {' and '.join(names[:3])}"] if names else []


def _rule(workspace: Workspace, run: str) -> str:
    try:
        return f"rule: {stored_settings(workspace, run).rule}"
    except JudgeStudioError:
        return ""
