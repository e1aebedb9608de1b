"""A run's report as one HTML file: what was measured, what was made, kept and dropped, with examples and settings.

It holds everything it shows (charts are SVG, images data), loads nothing and runs nothing. All text of models,
images and users is escaped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import yaml

from engine.config import Settings, flat
from engine.errors import WorkspaceError
from engine.export.charts import Point, accuracy_chart, loss_chart
from engine.export.examples import examples
from engine.export.markup import page, points, table
from engine.measure.begun import begun_lines
from engine.measure.benchmarks.held_out import deciding_note, number_on
from engine.measure.controls import is_control
from engine.measure.metrics import ALL, BOTH_ORDERS_MEAN, STRICT, comparisons, pays
from engine.measure.scores import latest_findings, near_training_lines
from engine.measure.seeds import seed_lines
from engine.measure.self_confirmation import narrowing_lines
from engine.paths import file_to_write
from engine.records import BASE_JUDGE, ScoreRow, Step, VerdictRow, version_name, version_number
from engine.workspace.catalog.part_scan import Fault, PartScan
from engine.workspace.conclusions import (
    Counts,
    Judged,
    Measured,
    Selected,
    SliceAgainst,
    Synthesized,
    Trained,
)
from engine.workspace.files import write_text
from engine.workspace.folders import RunFolder
from engine.workspace.run_record import run_settings
from engine.workspace.state import read_state


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the report is made of, read once."""

    run: RunFolder
    settings: Settings
    best: str
    scores: list[ScoreRow]
    iterations: int


def write_report(run: RunFolder, out: Path | None = None) -> Path:
    """Write the report of `run` to `out` (default: report.html in the run's folder) and return its path.

    Raises `WorkspaceError` if nothing was measured yet, `UsageError` if `out` can be no file.
    """
    path = file_to_write(out) if out else run.folder / "report.html"
    write_text(path, report_html(run))
    return path


def damaged_parts(run: RunFolder) -> list[Fault]:
    """Parts of the run that are cut off, so that no number and no example comes from them."""
    scan = PartScan(run.workspace)
    scan.look()
    return [fault for fault in scan.faults() if Path(fault.path).is_relative_to(run.folder)]


def report_html(run: RunFolder) -> str:
    """The page. Raises `WorkspaceError` if nothing was measured yet."""
    facts = _read(run)
    if not facts.scores:
        raise WorkspaceError(f"run '{run.name}': nothing was measured yet. Let it finish its first evaluation.")
    sections = [
        _headline(facts),
        *_left_out(facts),
        *_leaks(facts),
        *(_benchmark(facts, name) for name in dict.fromkeys(row.benchmark for row in facts.scores)),
        _loop(facts),
        *_narrowing(facts),
        _training(facts),
        examples(run, facts.iterations),
        _settings(facts),
    ]
    return page(run.name, sections)


def _read(run: RunFolder) -> _Facts:
    scores: list[ScoreRow] = []
    number = 0
    while run.stage(number, "evaluate").folder.exists() or run.stage(number, "synthesize").folder.exists():
        scores += [row for folder in run.evaluations(number) for row in folder.read("scores", ScoreRow)]
        number += 1
    best = read_state(run).best or BASE_JUDGE
    return _Facts(run, run_settings(run), best, scores, number - 1)


# --- what was measured ---------------------------------------------------------------------------------------------


def _headline(facts: _Facts) -> str:
    state = read_state(facts.run)
    benchmark = facts.scores[0].benchmark
    at = {
        (row.judge, row.dimension): row for row in facts.scores if (row.benchmark, row.protocol) == (benchmark, STRICT)
    }
    base, best = at.get((BASE_JUDGE, ALL)), at.get((facts.best, ALL))
    said = _verdict(facts, benchmark, base, best)
    minutes = f"{state.seconds / 60:.0f} minutes of work" if state.seconds else "time not known"
    said = f"<p class=lead>{said}</p>" + "".join(
        f"<p>{escape(line)}</p>" for line in (*begun_lines(facts.run), *seed_lines(facts.run))
    )
    return (
        f"<header><p class=kicker>Judge Studio report</p><h1>{escape(facts.run.name)}</h1>{said}"
        f"<p class=dim>{escape(facts.settings.model.base)} · {facts.iterations} iterations · {minutes} · "
        f"state: {escape(state.state)} · seed {facts.settings.loop.seed}</p></header>"
    )


def _left_out(facts: _Facts) -> Iterator[str]:
    """What the numbers below do not rest on: damaged parts, and rows of benchmarks whose picture was missing."""
    said = [fault.what for fault in damaged_parts(facts.run)]
    rows = {row.benchmark: row.left_out for row in facts.scores if row.left_out}
    said += [f"{name}: {count:,} rows had no usable picture and were not measured." for name, count in rows.items()]
    said += [line.strip() for line in near_training_lines(facts.run)]
    if said:
        yield f"<section><h2>Left out</h2>{''.join(f'<p>{escape(one)}</p>' for one in said)}</section>"


def _leaks(facts: _Facts) -> Iterator[str]:
    """What a classifier on texts and a judge with the wrong picture could do, leak or not."""
    found = latest_findings(facts.run)
    if found:
        told = "".join(f"<p>{'<b>Leak.</b> ' if one.leaks else ''}{escape(one.sentence)}</p>" for one in found)
        yield f"<section><h2>Are the pictures needed?</h2>{told}</section>"


def _verdict(facts: _Facts, benchmark: str, base: ScoreRow | None, best: ScoreRow | None) -> str:
    """One or two sentences that claim no more than the numbers do."""
    if base is None or best is None:
        return "The base model was not measured."
    if facts.best == BASE_JUDGE:
        return (
            f"No version was better than the base model beyond chance on {escape(benchmark)}: it is right in both "
            f"orders on {base.accuracy:.1%} of {base.n} items ({base.low:.1%} to {base.high:.1%})."
        )
    if (told := _on_the_other_half(facts, benchmark)) is not None:
        return told
    gain = next(_against_base(facts, benchmark, facts.best), None)
    text = (
        f"{escape(facts.best)} is right in both orders on {best.accuracy:.1%} of {best.n} items of "
        f"{escape(benchmark)} ({best.low:.1%} to {best.high:.1%}), the base model on {base.accuracy:.1%}"
    )
    if gain is None:
        return f"{text}."
    sure = "" if pays(gain) else " Interval and test do not both exclude zero."
    return f"{text}: {points(gain)}.{sure}"


def _on_the_other_half(facts: _Facts, benchmark: str) -> str | None:
    """The best version on the items on which it was not chosen; None for runs and benchmarks without halves."""
    measured = facts.run.conclusion(version_number(facts.best) or 0, Measured) or Measured()
    base = (facts.run.conclusion(0, Measured) or Measured()).reported
    best, gain = measured.reported, measured.reported_against.get(BASE_JUDGE)
    if base is None or best is None or gain is None or measured.benchmark != benchmark:
        return None
    sure = "" if pays(gain) else " There, interval and test do not both exclude zero."
    return (
        f"{escape(facts.best)} was chosen on one half of the items of {escape(benchmark)}. On the other half it is "
        f"right in both orders on {best.accuracy:.1%} of {best.n} items ({best.low:.1%} to "
        f"{best.high:.1%}), the base model on {base.accuracy:.1%}: {points(gain)}.{sure}"
    )


def _against_base(facts: _Facts, benchmark: str, judge: str) -> Iterator[SliceAgainst]:
    """Paired gains of `judge` over judge-v0, overall first, then by slice; nothing without both sets of verdicts."""
    sides = []
    for version in (judge, BASE_JUDGE):
        folders = facts.run.evaluations(version_number(version) or 0)
        rows = [row for folder in folders for row in folder.read("verdicts", VerdictRow)]
        wanted = (version, benchmark, STRICT)
        sides.append([row for row in rows if (row.judge, row.benchmark, row.protocol) == wanted])
    return comparisons(benchmark, *sides) if all(sides) else iter(())


def _benchmark(facts: _Facts, benchmark: str) -> str:
    strict = [row for row in facts.scores if (row.benchmark, row.protocol) == (benchmark, STRICT)]
    overall = [row for row in strict if row.dimension == ALL]
    versions = [row for row in overall if not is_control(row.judge)]
    controls = {
        row.judge.removeprefix("control:"): row.accuracy for row in overall if row.judge in _shown_controls(overall)
    }
    points = [
        Point(label=row.judge, value=row.accuracy, low=row.low, high=row.high, best=row.judge == facts.best)
        for row in versions
    ]
    what = number_on(benchmark)
    title = f"Strict {what} on {benchmark} by judge version"
    decides = deciding_note(benchmark) if benchmark == facts.scores[0].benchmark else ""
    name = " This is agreement with labels that judge-v0 made itself, not with a person." if what != "accuracy" else ""
    chart = f"<figure>{accuracy_chart(points, controls, title=title)}</figure>" if points else ""
    return (
        f"<section><h2>Measured on {escape(benchmark)}</h2><p class=dim>Strict: an item counts when the verdicts in "
        "both orders are right. Bars are 95 % intervals clustered by image. Dashed: judges that should not work, or "
        f"need no training.{name} {escape(decides)}</p>{chart}{_score_table(facts, benchmark, overall)}"
        f"{_slices(facts, benchmark, strict)}</section>"
    )


def _shown_controls(overall: Sequence[ScoreRow]) -> set[str]:
    """Every control but those of later versions' pictures, which the table holds."""
    return {row.judge for row in overall if is_control(row.judge) and ":judge-v" not in row.judge}


def _score_table(facts: _Facts, benchmark: str, overall: Sequence[ScoreRow]) -> str:
    mean = {
        row.judge: row.accuracy
        for row in facts.scores
        if (row.benchmark, row.protocol, row.dimension) == (benchmark, BOTH_ORDERS_MEAN, ALL)
    }
    rows = [
        (
            row.judge + (" (best)" if row.judge == facts.best else ""),
            row.n,
            f"{row.accuracy:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
            f"{mean[row.judge]:.3f}" if row.judge in mean else "–",
            f"{row.invalid:.3f}",
            _signed(row.position_lean),
            _signed(row.length_lean),
        )
        for row in overall
    ]
    head = (
        "judge",
        "items",
        "strict",
        "95 % interval",
        "each order by itself",
        "invalid",
        "position lean",
        "length lean",
    )
    return table(head, rows)


def _slices(facts: _Facts, benchmark: str, strict: Sequence[ScoreRow]) -> str:
    """Accuracy by kind and dimension, and the best version's gain on each."""
    versions = [name for name in dict.fromkeys(row.judge for row in strict) if not is_control(name)]
    at = {(row.judge, row.dimension): row for row in strict}
    dimensions = [name for name in dict.fromkeys(row.dimension for row in strict) if name != ALL]
    gains = {}
    if facts.best != BASE_JUDGE:
        gains = {gain.dimension: gain for gain in _against_base(facts, benchmark, facts.best)}
    rows = []
    for name in dimensions:
        found = [at.get((version, name)) for version in versions]
        gain = gains.get(name)
        rows.append(
            (
                name.removeprefix("kind:"),
                next((row.n for row in found if row), 0),
                *("–" if row is None else f"{row.accuracy:.3f}" for row in found),
                points(gain),
            )
        )
    head = ("slice", "items", *versions, f"{facts.best} against judge-v0")
    return f"<h3>By kind and dimension</h3>{table(head, rows)}" if rows else ""


# --- what was made -------------------------------------------------------------------------------------------------


def _loop(facts: _Facts) -> str:
    rows = []
    for number in range(1, facts.iterations + 1):
        made = facts.run.conclusion(number, Synthesized) or Synthesized()
        judged = facts.run.conclusion(number, Judged) or Judged()
        chosen = facts.run.conclusion(number, Selected) or Selected()
        trained = facts.run.conclusion(number, Trained) or Trained()
        measured = facts.run.conclusion(number, Measured) or Measured()
        share = f" ({chosen.kept / chosen.traces:.0%})" if chosen.traces and chosen.kept is not None else ""
        rows.append(
            (
                number,
                _count(made.instructions),
                _count(made.pairs),
                _count(judged.traces),
                f"{_count(chosen.kept)}{share}",
                _count(trained.trained_on),
                points(measured.over_parent),
            )
        )
    head = ("iteration", "instructions", "usable pairs", "traces", "kept", "trained on", "gain over the one before")
    numbers = range(1, facts.iterations + 1)
    drops = {n: found.dropped for n in numbers if (found := facts.run.conclusion(n, Synthesized)) is not None}
    fates = {n: ended.reasons for n in numbers if (ended := facts.run.conclusion(n, Selected)) is not None}
    dropped = _reasons(drops, "Pairs dropped, by reason")
    rejected = _reasons(fates, "Traces by fate")
    return f"<section><h2>What the loop made</h2>{table(head, rows)}{dropped}{rejected}</section>" if rows else ""


def _narrowing(facts: _Facts) -> Iterator[str]:
    """Whether the run grew narrow on its own verdicts."""
    lines = narrowing_lines(facts.run)
    if lines:
        yield f"<section><h2>Does it confirm itself?</h2><pre>{escape(chr(10).join(lines))}</pre></section>"


def _reasons(counts: Mapping[int, Counts], title: str) -> str:
    """Counts by reason code, one column per iteration."""
    names = sorted({str(name) for found in counts.values() for name in found})
    if not names:
        return ""
    rows = [(name, *(found.get(name, 0) for found in counts.values())) for name in names]
    return f"<h3>{title}</h3>{table(('reason', *(f'iteration {number}' for number in counts)), rows)}"


def _training(facts: _Facts) -> str:
    curves = {}
    for number in range(1, facts.iterations + 1):
        steps = facts.run.stage(number, "train").read("steps", Step)
        if steps:
            curves[version_name(number)] = [(step.step, step.loss) for step in steps]
    if not curves:
        return ""
    chart = loss_chart(curves, title="Training loss by optimizer step")
    return f"<section><h2>Training</h2><p class=dim>Nats per completion token.</p><figure>{chart}</figure></section>"


def _settings(facts: _Facts) -> str:
    rows = [(name, "–" if value is None else str(value)) for name, value in flat(facts.settings).items()]
    try:
        libraries = (yaml.safe_load(facts.run.config.read_text(encoding="utf-8")) or {}).get("libraries") or {}
    except (OSError, ValueError, yaml.YAMLError):
        libraries = {}
    versions = ", ".join(f"{name} {version}" for name, version in libraries.items() if version)
    return (
        f"<section><details><summary>Settings and versions</summary><p class=dim>{escape(versions)}</p>"
        f"{table(('setting', 'value'), rows)}</details></section>"
    )


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")
