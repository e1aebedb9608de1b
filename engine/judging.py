"""Asking for one ruling: the request that shows two responses in an order, and reading which one was meant.

Judging, evaluation, single rulings and the adapter check all ask the same way; what differs is the sampling.
"""

from pathlib import Path

from engine.backends.base import Request, Sampling
from engine.prompts import PromptPack, judge_messages
from engine.records import Order


def ruling_request(
    pack: PromptPack,
    *,
    key: str,
    question: str,
    preferred: str,
    degraded: str,
    order: Order,
    image: Path | None,
    judge: str,
    sampling: Sampling,
) -> Request:
    """Ask `judge` which response is better; AB shows `preferred` first. `image=None` blinds it."""
    first, second = (preferred, degraded) if order == "AB" else (degraded, preferred)
    return Request(
        key=key,
        messages=judge_messages(pack, question, first, second),
        image=image,
        sampling=sampling,
        judge=judge,
    )
