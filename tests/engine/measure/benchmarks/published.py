"""Replies to items of the published benchmarks, and written replies by the hundred."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.judging.asking import verdict_row
from engine.measure.benchmarks.protocol import Protocol
from engine.records import BenchmarkItem, Order, Verdict, VerdictRow

BODIES = (
    "",
    "The first answer names the red bus; the second calls it blue. The image shows a red bus.\n\n",
    "**1. Accuracy**\nAnswer 1 is right about the sign.\n**2. Completeness**\nBoth cover the question.\n",
    "## Reasons\n- Answer 1: three dogs.\n- Answer 2: four dogs.\nI count three dogs.\n",
    "Accuracy: Answer 2 is slightly off.\r\nClarity: both are clear.\r\n",
    "Es ist ein Hund zu sehen, keine Katze. 🐕\n",
    "Step 1. Look at the plate.\nStep 2. It holds two apples and one pear.\n",
    "Both answers mention the bridge. Only one of them mentions the river below it.\n",
    "The chart rises from 2010 to 2015 and falls after that, which matters for the question.\n",
    "Answer 2 is better in style, but style does not count here.\n",
)
"""What a judge writes before its conclusion: none of it is one by any of the rules."""


@dataclass(frozen=True, slots=True)
class Family:
    """Replies that one rule decides alike, whatever was written before their end."""

    why: str
    end: str
    verdict: Verdict
    first_right: bool | None = None
    """Whether the rule counts it as right when the preferred response was shown first; None: as the verdict says."""
    second_right: bool | None = None

    def right(self, order: Order) -> bool:
        told = self.first_right if order == "AB" else self.second_right
        return self.verdict == order[0] if told is None else told


def verdict(item: BenchmarkItem, order: Order, said: Verdict, text: str = "", *, judge: str = "judge-v0") -> VerdictRow:
    return verdict_row(judge, item, order, said, reasoning=text, tokens=1)


def reply(protocol: Protocol, item: BenchmarkItem, order: Order, text: str, *, sample: int = 0) -> VerdictRow:
    """The row that measuring makes of a reply under a published protocol."""
    said, right = protocol.read(text, order)
    row = verdict_row("judge-v0", item, order, said, reasoning=text, tokens=1)
    return replace(row, correct=right, sample=sample, protocol=protocol.name)


def differing(protocol: Protocol, families: Sequence[Family]) -> tuple[int, list[str]]:
    """Number of written replies read in both orders, and those that the protocol reads otherwise than by hand."""
    count, wrong = 0, []
    for family in families:
        for body in BODIES:
            for order in ("AB", "BA"):
                count += 1
                got = protocol.read(body + family.end, order)
                if got != (family.verdict, family.right(order)):
                    wrong.append(f"{family.why} ({order}): {body + family.end!r} is read as {got}")
    return count, wrong
