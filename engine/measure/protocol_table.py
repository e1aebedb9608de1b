"""One judge under several protocols as lines of text: the numbers side by side, how each counts, what was published.

It measures nothing; the same replies never make two of these numbers unless their protocols ask the same.
"""

from collections.abc import Sequence

from engine.measure.any_judge import MeasuredJudge
from engine.measure.published import reference_lines
from engine.records import ScoreRow


def measured_lines(measured: Sequence[MeasuredJudge], benchmark: str) -> list[str]:
    """The tables of every judge, the rules, what was left out, and the published lines of the same protocols."""
    lines: list[str] = []
    for judge in dict.fromkeys(one.judge for one in measured):
        lines += _of_judge(judge, [one for one in measured if one.judge == judge])
    lines += ["", "How each counts:"]
    seen = {one.protocol.name: one.protocol.rule for one in measured}
    lines += [f"  {name}: {rule}" for name, rule in seen.items()]
    if len(seen) > 1:
        lines.append("  They differ in prompt, sampling, orders shown, and what becomes of a reply without a verdict.")
    notes = dict.fromkeys(note for one in measured for note in one.notes)
    if notes:
        lines += ["", "Mind:", *(f"  {note}" for note in notes)]
    published = [line for name in seen for line in reference_lines(benchmark, name)]
    if published:
        lines += ["", "Published under the same protocol:", *(f"  {line}" for line in published)]
    return lines


def _of_judge(judge: str, measured: Sequence[MeasuredJudge]) -> list[str]:
    lines = [
        f"{judge}, {measured[0].items:,} items asked, 95 % intervals clustered by image",
        f"  {'protocol':<26} {'slice':<20} {'counted':>7}  {'accuracy':<23} {'invalid':>7} {'says A':>7} {'length':>7}",
    ]
    for one in measured:
        head = one.protocol.headline
        for row in sorted(one.scores, key=lambda row: row.dimension != head):
            mark = " *" if row.dimension == head and len(measured) > 1 else ""
            lines.append(f"  {row.protocol:<26} {row.dimension + mark:<20} {row.n:>7}  {_numbers(row)}")
    if len(measured) > 1:
        lines.append("  * the number its authors print")
    return lines


def _numbers(row: ScoreRow) -> str:
    says_a = "–" if row.position_lean is None else f"{0.5 + row.position_lean:.2f}"
    lean = "–" if row.length_lean is None else f"{row.length_lean:+.2f}"
    interval = f"{row.accuracy:.3f} ({row.low:.3f} to {row.high:.3f})"
    return f"{interval:<23} {row.invalid:>7.2f} {says_a:>7} {lean:>7}"
