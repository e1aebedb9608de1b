"""Every reason code that selection gives a trace, in words. It decides nothing; whoever shows a code reads it here."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason code."""

    words: str
    """What it means, as a sentence."""
    passed: str
    """What is true of the traces that get past it, as a step of a funnel."""
    usual: bool = False
    """Shown as a step even where it removed nothing."""


KEPT = "agrees"
"""The reason of a trace that is kept."""

REASONS: Mapping[str, Reason] = {
    KEPT: Reason(words="It names the response that counts as preferred.", passed="Trained"),
    "invalid": Reason(words="No verdict, or more than one.", passed="Parsed", usual=True),
    "tie": Reason(words="The verdict is a tie.", passed="Decided"),
    "flagged": Reason(words="Somebody flagged the pair.", passed="Not flagged"),
    "wrong": Reason(words="It names the response that counts as degraded.", passed="Names the preferred", usual=True),
    "outvoted": Reason(words="It names the response that the judge itself does not uphold.", passed="Names the upheld"),
    "order-flip": Reason(words="The pair does not hold in both orders.", passed="Holds in both orders", usual=True),
    "surplus": Reason(words="The pair gave as many traces as it may.", passed="Within the pair's share"),
    "capped": Reason(
        words="Its image, its dimension or the training set gave as many traces as it may.", passed="Under the caps"
    ),
    "unbalanced": Reason(words="No trace with the other letter was left to go with it.", passed="Balanced"),
}
"""Code → what it means: the kept ones first, then in the order in which the rules speak."""

GRAVEST_FIRST = ("invalid", "tie", "flagged", "order-flip", "wrong", "outvoted", "surplus", "capped", "unbalanced")
"""Which code names a ruling whose two orders ended differently."""
