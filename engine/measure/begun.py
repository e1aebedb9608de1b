"""How many of a judge's replies begin with given words, and how often those are right.

It tells whether a gain is a new skill or an old one that is used more often.
"""

from collections.abc import Sequence

from engine.records import VerdictRow
from engine.workspace.conclusions import Begun, Measured
from engine.workspace.folders import RunFolder


def begun_with(words: str | None, verdicts: Sequence[VerdictRow]) -> Begun | None:
    """Of one judge's replies, each order by itself; None where no words are named or nothing was asked."""
    if not words or not verdicts:
        return None
    begun = [row for row in verdicts if row.reasoning.lstrip().startswith(words)]
    return Begun(
        words=words,
        replies=len(verdicts),
        begun=len(begun),
        right=sum(row.correct for row in begun),
        right_otherwise=sum(row.correct for row in verdicts) - sum(row.correct for row in begun),
    )


def begun_lines(run: RunFolder) -> list[str]:
    """A sentence per version of a run whose settings name such words, and what they are."""
    lines = []
    number = 0
    while (measured := run.conclusion(number, Measured)) is not None:
        if measured.begun is not None and measured.judge is not None:
            lines.append(begun_sentence(measured.judge, measured.begun))
        number += 1
    return lines


def begun_sentence(judge: str, begun: Begun) -> str:
    """ "judge-v1 begins 62.0% of its 600 replies with “Look:”; right in 0.950 of these and in 0.510 of the others." """
    others = begun.replies - begun.begun
    right = [
        f"in {hits / count:.3f} of {name}"
        for hits, count, name in ((begun.right, begun.begun, "these"), (begun.right_otherwise, others, "the others"))
        if count
    ]
    share = f"{judge} begins {begun.begun / begun.replies:.1%} of its {begun.replies:,} replies with “{begun.words}”"
    return f"{share}; right {' and '.join(right)}."
