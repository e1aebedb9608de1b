"""What judges said of one live comparison: the record that grows while they write, is stored, and goes out by the API.

Verdicts name the visitor's responses in either order; cards are made from it last. Stored with a version number, so
that what is shown may change without losing what was asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from engine.judging.ruling import OrderRuling, Ruling, place_to_response, whole_ruling
from engine.records import ORDERS, Order, Verdict

VERSION = 2
"""1 were the cards themselves, with letters by place."""
_TURNED: dict[Verdict | None, Verdict | None] = {"A": "B", "B": "A"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSaid:
    """One order of one judge's answer."""

    order: Order
    """AB: the visitor's response A was shown first."""
    state: Literal["next", "writing", "done"] = "next"
    reasoning: str = ""
    """So far, or the whole reply. In order BA it calls response B "A"."""
    verdict: Verdict | None = None
    """Of the visitor's responses; None until done."""
    prefers_a: float | None = None
    """How likely the judge found response A; None without a verdict, or where the backend does not say."""
    tokens: int | None = None
    seconds: float | None = None
    first_seconds: float | None = None
    """Until its first word."""

    @property
    def confidence(self) -> float | None:
        """How likely the judge found the response it chose; None where it chose none."""
        if self.prefers_a is None or self.verdict not in ("A", "B"):
            return None
        return self.prefers_a if self.verdict == "A" else 1 - self.prefers_a

    def turned(self) -> "OrderSaid":
        """The same reply, where the visitor's responses have changed places."""
        return replace(
            self,
            order="BA" if self.order == "AB" else "AB",
            verdict=_TURNED.get(self.verdict, self.verdict),
            prefers_a=None if self.prefers_a is None else 1 - self.prefers_a,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSaid:
    """One judge version's answer in both orders."""

    judge: str
    """Its version alone: "judge-v2"."""
    about: str
    """Run and role, e.g. "shapes-01, best version"."""
    orders: tuple[OrderSaid, OrderSaid] = (OrderSaid(order="AB"), OrderSaid(order="BA"))
    failed: str | None = None
    """The sentence of an error; the orders are then as far as they got."""

    @property
    def is_done(self) -> bool:
        return all(one.state == "done" for one in self.orders)

    @property
    def ruling(self) -> Ruling | None:
        """Both orders together, as everywhere; None before both are there."""
        if self.failed or not self.is_done:
            return None
        return whole_ruling("", self.judge, [_as_ruling(one) for one in self.orders])

    def in_order(self, order: Order, **values: Any) -> "JudgeSaid":
        """With these values in one of the orders."""
        first, second = (replace(one, **values) if one.order == order else one for one in self.orders)
        return replace(self, orders=(first, second))

    def turned(self) -> "JudgeSaid":
        """The same rulings, where the visitor's responses have changed places: both orders were asked already."""
        first, second = self.orders
        return replace(self, orders=(second.turned(), first.turned()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """A visitor's comparison and what was said of it."""

    images: tuple[str, ...]
    """Of the question, relative to the workspace."""
    question: str
    a: str
    b: str
    said: tuple[JudgeSaid, ...]

    def turned(self) -> "Ruled":
        """With a and b in each other's places."""
        return replace(self, a=self.b, b=self.a, said=tuple(one.turned() for one in self.said))


def _as_ruling(one: OrderSaid) -> OrderRuling:
    return OrderRuling(
        order=one.order, verdict=one.verdict or "invalid", reasoning=one.reasoning, prefers_a=one.prefers_a,
        tokens=one.tokens or 0,
    )  # fmt: skip


def fold(said: Mapping[str, JudgeSaid], event: Mapping[str, Any]) -> dict[str, JudgeSaid]:
    """What was said after one more event of the live judge; events that say nothing are let through."""
    name, what = str(event.get("judge", "")), event["event"]
    if name not in said:
        return dict(said)
    one = said[name]
    if what == "failed":
        return {**said, name: replace(one, failed=str(event["error"]))}
    if what not in ("order", "piece", "said"):
        return dict(said)
    order = cast(Order, event["order"])
    half = next(half for half in one.orders if half.order == order)
    if what == "order":
        return {**said, name: one.in_order(order, state="writing")}
    if what == "piece":
        return {**said, name: one.in_order(order, reasoning=half.reasoning + str(event["text"]))}
    return {
        **said,
        name: one.in_order(
            order, state="done", reasoning=str(event["reasoning"]), verdict=event["verdict"],
            prefers_a=event["prefers_a"], tokens=event["tokens"], seconds=event["seconds"],
            first_seconds=event["first"],
        ),
    }  # fmt: skip


# --- stored ------------------------------------------------------------------------------------------------------


def as_stored(said: Sequence[JudgeSaid]) -> dict[str, Any]:
    """For a column of JSON."""
    return {
        "version": VERSION,
        "judges": [
            {
                "judge": one.judge,
                "about": one.about,
                "failed": one.failed,
                "orders": [{key: getattr(half, key) for key in _STORED} for half in one.orders],
            }
            for one in said
        ],
    }


_STORED = ("order", "state", "reasoning", "verdict", "prefers_a", "tokens", "seconds", "first_seconds")


def from_stored(stored: Any) -> tuple[JudgeSaid, ...]:
    """What was stored, by this version or the one before it."""
    if isinstance(stored, list):
        return tuple(_from_card(card) for card in stored)
    return tuple(
        JudgeSaid(
            judge=str(one["judge"]),
            about=str(one["about"]),
            failed=one["failed"],
            orders=_both([OrderSaid(**{key: half.get(key) for key in _STORED}) for half in one["orders"]]),
        )
        for one in stored["judges"]
    )


def _from_card(card: Mapping[str, Any]) -> JudgeSaid:
    """A row of version 1: the letter as it was said, by place, and how sure the judge was of that."""
    halves = []
    for order, half in zip(ORDERS, (card["a_first"], card["b_first"]), strict=True):
        verdict = None if half["verdict"] is None else place_to_response(half["verdict"], order)
        sure = half["confidence"]
        halves.append(
            OrderSaid(
                order=order, state=half["state"], reasoning=half["text"], verdict=verdict,
                prefers_a=1 - sure if sure is not None and verdict == "B" else sure, tokens=half["tokens"],
                seconds=half["seconds"], first_seconds=half["first_seconds"],
            )
        )  # fmt: skip
    return JudgeSaid(judge=card["judge"], about=card["about"], failed=card["failed"], orders=_both(halves))


def _both(halves: Sequence[OrderSaid]) -> tuple[OrderSaid, OrderSaid]:
    first, second = halves
    return first, second
