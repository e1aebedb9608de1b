"""One row of a published protocol: what its rules count as right, with an interval and the leans beside it."""

from collections.abc import Sequence

import numpy as np

from engine.measure.intervals import clustered_interval
from engine.records import ScoreRow, VerdictRow


def official_row(
    *,
    judge: str,
    benchmark: str,
    protocol: str,
    dimension: str,
    right: Sequence[bool],
    image_ids: Sequence[str],
    replies: Sequence[VerdictRow],
) -> ScoreRow:
    """`right` and `image_ids` are per counted item; `replies` are all that were given, counted or not."""
    values_I = np.array(right, dtype=np.float64)
    _, clusters_I = np.unique(image_ids, return_inverse=True)
    low, high = clustered_interval(values_I, clusters_I.astype(np.int64), replies=len(right))
    decided = [row.verdict for row in replies if row.verdict in ("A", "B")]
    return ScoreRow(
        judge=judge,
        benchmark=benchmark,
        protocol=protocol,
        dimension=dimension,
        n=len(right),
        accuracy=float(values_I.mean()),
        low=low,
        high=high,
        invalid=1 - len(decided) / len(replies),
        position_lean=decided.count("A") / len(decided) - 0.5 if decided else None,
        length_lean=None,
    )
