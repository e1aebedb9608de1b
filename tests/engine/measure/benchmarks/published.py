"""Tiny files with the columns of the published benchmarks, and verdicts on their items."""

from engine.judging.asking import verdict_row
from engine.records import BenchmarkItem, Order, Verdict, VerdictRow


def verdict(item: BenchmarkItem, order: Order, said: Verdict, text: str = "", *, judge: str = "judge-v0") -> VerdictRow:
    return verdict_row(judge, item, order, said, reasoning=text, tokens=1)
