"""Tiny files with the columns of the published benchmarks, and verdicts on their items."""

from engine.records import BenchmarkItem, Order, Verdict, VerdictRow


def verdict(item: BenchmarkItem, order: Order, said: Verdict, text: str = "", *, judge: str = "judge-v0") -> VerdictRow:
    return VerdictRow(
        judge=judge,
        benchmark=item.benchmark,
        item_id=item.item_id,
        image_id=item.image_id,
        kind=item.kind,
        dimension=item.dimension,
        order=order,
        verdict=said,
        correct=said == ("A" if order == "AB" else "B"),
        reasoning=text,
        tokens=1,
    )
