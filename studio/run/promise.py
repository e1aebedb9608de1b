"""What a run in its first minutes promises: what it does now, when there is something to see, and the time it takes.

Later the loop knows better, from its own iterations.
"""

from engine.errors import JudgeStudioError
from engine.runs.plan import TIMED, RunPlan, run_plan
from studio.look import words
from studio.run.view import RunView

_FEW = 32
"""Rulings from which on the rate of a run's first stage is believed."""


def promise(view: RunView) -> str:
    """One or two sentences while the first iteration has not ended; "" afterwards and for runs at rest."""
    if not view.is_active or view.settings is None or view.state.run_left is not None or view.state.iteration > 1:
        return ""
    pace = _pace(view)
    try:
        plan = run_plan(view.settings, view.folder.workspace, seconds_per_ruling=pace)
    except JudgeStudioError:
        return ""
    now = "Measuring the untrained judge first. " if view.state.iteration == 0 and view.state.stage else ""
    if plan.seconds is None:
        return f"{now}How long it takes is known once the first replies are timed."
    left = max(0.0, plan.seconds - view.state.seconds)
    pairs = _until_pairs(view, plan)
    first = (
        f"The first pairs come in about {words.about(pairs)}. "
        if pairs is not None and view.state.iteration == 0
        else ""
    )
    basis = _basis(plan, timed_now=pace is not None)
    return f"{now}{first}The whole run takes about {words.about(left)} more, by {basis}."


def _pace(view: RunView) -> float | None:
    """Seconds per ruling, as the run itself sees them while it measures the untrained judge, or saw them then."""
    state, measured = view.state, view.times.get((0, "evaluate"))
    if measured is not None and measured.finished and measured.total:
        return measured.seconds / measured.total
    is_sure = state.stage == "evaluate" and state.done >= _FEW and state.rate
    return 1 / state.rate if is_sure and state.rate else None


def _until_pairs(view: RunView, plan: RunPlan) -> float | None:
    """Seconds until the baseline is measured."""
    stages = [stage.seconds for stage in plan.baseline]
    if any(seconds is None for seconds in stages):
        return None
    left = sum(seconds or 0.0 for seconds in stages) - view.state.seconds
    return max(
        0.0, view.state.stage_left if view.state.stage_left is not None and view.state.stage == "evaluate" else left
    )


def _basis(plan: RunPlan, *, timed_now: bool) -> str:
    if plan.estimated_from == TIMED:
        return "the replies it has had so far" if timed_now else TIMED
    return f"what run {plan.estimated_from} took"
