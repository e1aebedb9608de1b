"""The accuracy table of one run as lines of text: what was measured, with interval, leans and controls."""

from engine.measure.agreement import Estimate
from engine.measure.begun import begun_lines
from engine.measure.benchmarks.held_out import NAME as HELD_OUT
from engine.measure.benchmarks.held_out import deciding_note, number_on
from engine.measure.controls import is_wrong_image
from engine.measure.hand_labels import HandEstimate
from engine.measure.leaks import Finding, findings
from engine.measure.near_training import near_sentence
from engine.measure.seeds import seed_lines
from engine.measure.self_confirmation import narrowing_lines
from engine.records import BASE_JUDGE, ScoreRow, version_number
from engine.workspace.conclusions import Gathered, Measured, Selected
from engine.workspace.files import read_json
from engine.workspace.folders import RunFolder, StageFolder
from engine.workspace.state import read_state


def strict_scores(run: RunFolder) -> list[ScoreRow]:
    """Every strict score of the run, judge-v0 and controls first, then in order of iterations."""
    rows: list[ScoreRow] = []
    number = 0
    while (folder := run.stage(number, "evaluate")).folder.exists():
        rows += [row for row in folder.read("scores", ScoreRow) if row.protocol == "strict"]
        number += 1
    return rows


def stage_findings(folder: StageFolder) -> list[Finding]:
    """What the leak controls found in one stage's scores."""
    return findings(folder.read("scores", ScoreRow), pairs=f"The pairs of iteration {folder.iteration}")


def latest_findings(run: RunFolder) -> list[Finding]:
    """Of each benchmark and of the run's own pairs, what each leak control found when it was measured last."""
    latest: dict[tuple[str, bool], Finding] = {}
    number = 0
    while (run.folder / f"iteration-{number:02d}").exists():
        for stage in ("synthesize", "judge", "evaluate"):
            for found in stage_findings(run.stage(number, stage)):
                latest[found.benchmark, is_wrong_image(found.control)] = found
        number += 1
    return list(latest.values())


def kept_share(run: RunFolder, judge: str) -> float | None:
    """Share of traces kept in the iteration that made this judge version."""
    number = version_number(judge)
    if not number:
        return None
    chosen = run.conclusion(number, Selected)
    return chosen.kept / chosen.traces if chosen and chosen.kept is not None and chosen.traces else None


def scoreboard(run: RunFolder) -> list[str]:
    """Lines of the table; none before the first measurement."""
    rows = strict_scores(run)
    if not rows:
        return []
    sliced = {(row.benchmark, row.judge, row.dimension): row for row in rows}
    lines = []
    for benchmark in dict.fromkeys(row.benchmark for row in rows):
        overall = [row for row in rows if row.benchmark == benchmark and row.dimension == "all"]
        lines.append(
            f"{benchmark}: {number_on(benchmark)}, strict (both orders right), n={overall[0].n}, 95 % intervals "
            "clustered by image"
        )
        head = f"  {'judge':<32} {'strict':<22} {'open':>6} {'closed':>6} {'says A':>7} {'invalid':>7} {'kept':>6}"
        lines.append(head)
        for row in overall:
            opened = sliced.get((benchmark, row.judge, "kind:open"))
            closed = sliced.get((benchmark, row.judge, "kind:closed"))
            says_a = None if row.position_lean is None else 0.5 + row.position_lean
            lines.append(
                f"  {row.judge:<32} {f'{row.accuracy:.3f} ({row.low:.3f} to {row.high:.3f})':<22} "
                f"{_number(opened.accuracy if opened else None):>6} "
                f"{_number(closed.accuracy if closed else None):>6} "
                f"{_number(says_a):>7} {_number(row.invalid):>7} {_number(kept_share(run, row.judge)):>6}"
                + (f"  n={row.n}" if row.n != overall[0].n else "")
            )
    seeds = [f"  {line}" for line in seed_lines(run)]
    begun = [f"  {line}" for line in begun_lines(run)]
    lines += [*_chosen_lines(run), *begun, *seeds, *near_training_lines(run), *narrowing_lines(run)]
    return lines + [f"LEAK: {found.sentence}" for found in latest_findings(run) if found.leaks]


def _chosen_lines(run: RunFolder) -> list[str]:
    """The best version on the half of the items on which it was not chosen, and whose labels the choice rests on."""
    best = read_state(run).best
    measured = run.conclusion(version_number(best or "") or 0, Measured) or Measured()
    note = deciding_note(measured.benchmark or HELD_OUT)
    lines = [f"  {note}"] if note else []
    told, gain = measured.reported, measured.reported_against.get(BASE_JUDGE)
    if best is None or best == BASE_JUDGE or told is None or gain is None:
        return lines
    return [
        *lines,
        f"  {best} was chosen on one half of the items; on the other half {told.accuracy:.3f} "
        f"({told.low:.3f} to {told.high:.3f}), n={told.n}, {100 * gain.gain:+.1f} points over {BASE_JUDGE} "
        f"({100 * gain.gain_low:+.1f} to {100 * gain.gain_high:+.1f})",
    ]


def near_training_lines(run: RunFolder) -> list[str]:
    """A sentence per benchmark with pictures that were trained on."""
    near = dict((run.conclusion(0, Gathered) or Gathered()).near_training)
    for folder in sorted(run.folder.glob("iteration-00/benchmark-*")):  # measured outside the loop
        done = read_json(folder / "done.json") or {}
        if count := done.get("near_training"):
            near.setdefault(str(done["benchmark"]), int(count))
    return [f"  {near_sentence(name, count)}" for name, count in near.items()]


def hand_label_lines(found: HandEstimate) -> list[str]:
    """What one person's labels say of one judge, as sentences with intervals."""
    lines = [
        f"{found.judge} on {found.benchmark}, by {found.labels} labels of {found.rater} "
        f"({found.ties} ties, {found.cannot_tell} cannot tell); {found.right.items:,} items in all",
        f"  right by this person      {_share(found.right)}  from labels and all verdicts",
        f"                            {_share(found.labels_alone)}  from labels alone",
        f"  the key agrees with them  {_share(found.key)}",
    ]
    if found.kappa is None or found.kappa.kappa is None:
        return [*lines, "  κ is not known: nothing was told apart on these labels"]
    return [
        *lines,
        f"  κ beyond chance           {found.kappa.kappa:.2f} ({found.kappa.low:.2f} to {found.kappa.high:.2f}); "
        f"same response {found.kappa.agreement:.0%}, by chance {found.kappa.chance:.0%}, "
        f"base rate {found.kappa.base_rate:.0%}",
    ]


def _share(estimate: Estimate) -> str:
    return f"{estimate.share:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
