"""Using a judge: which of two responses is better, in both orders, with reasons and how sure it is.

One comparison, or many at once. Files of them are in `engine.judging.files`; nothing here knows runs or stages.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from engine.backends.base import Backend, Completion, Request, Sampling
from engine.judging.asking import ruling_request, stored_text, verdict_of
from engine.prompts import PromptPack
from engine.records import ORDERS, Comparison, Order, Verdict, names_preferred
from engine.verdicts import stated

Outcome = Literal["A", "B", "tie", "order-flip", "invalid"]
"""Both orders together. order-flip: the orders disagree, so the place decided; invalid: a reply had no one verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRuling:
    """What the judge said when the responses were shown in one order."""

    order: Order
    """AB: response a was shown first."""
    verdict: Verdict
    """Of the responses as the caller named them, not of the places: "A" is response a in either order."""
    reasoning: str
    """The whole reply. In order BA it calls response b "A"."""
    prefers_a: float | None
    """How likely the judge found response a at the point where it gave its verdict; None without a verdict, or from a
    server that cannot be asked."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One judge's ruling on one comparison."""

    key: str
    judge: str
    verdict: Outcome
    prefers_a: float | None
    """Mean over the orders: near 1 surely a, near 0 surely b, near .5 undecided; None where an order is invalid."""
    orders: tuple[OrderRuling, ...]

    @property
    def confidence(self) -> float | None:
        """How likely the judge finds the response it chose, in [0, 1]; None where it chose none."""
        if self.prefers_a is None or self.verdict not in ("A", "B"):
            return None
        return self.prefers_a if self.verdict == "A" else 1 - self.prefers_a


def combine(orders: Sequence[OrderRuling]) -> Outcome:
    """The verdict of all orders together."""
    said = {ruling.verdict for ruling in orders}
    if not said or "invalid" in said:
        return "invalid"
    return said.pop() if len(said) == 1 else "order-flip"


def place_to_response(verdict: Verdict, order: Order) -> Verdict:
    """The response that a verdict on places names."""
    if verdict not in ("A", "B"):
        return verdict
    return "A" if names_preferred(verdict, order) else "B"


def order_ruling(
    order: Order, verdict: Verdict, reasoning: str, *, chance_first: float | None, tokens: int
) -> OrderRuling:
    """One order's part, from a verdict on places.

    `chance_first`: how likely [[A]] was where the verdict stands, None if nobody asked.
    """
    verdict = place_to_response(verdict, order)
    chance = chance_first if verdict in ("A", "B") else None
    return OrderRuling(
        order=order,
        verdict=verdict,
        reasoning=reasoning,
        prefers_a=chance if chance is None or order == "AB" else 1 - chance,
        tokens=tokens,
    )


def whole_ruling(key: str, judge: str, orders: Sequence[OrderRuling]) -> Ruling:
    """Put the orders of one comparison together."""
    chances = [ruling.prefers_a for ruling in orders if ruling.prefers_a is not None]
    return Ruling(
        key=key,
        judge=judge,
        verdict=combine(orders),
        prefers_a=sum(chances) / len(chances) if len(chances) == len(orders) else None,
        orders=tuple(orders),
    )


def ask(
    pack: PromptPack, comparison: Comparison, order: Order, *, key: str, judge: str, max_tokens: int = 1024
) -> Request:
    """The greedy request for one order; also what the studio streams."""
    sampling = Sampling(max_tokens=max_tokens)
    return ruling_request(pack, comparison, order, key=f"{key} {order}", judge=judge, sampling=sampling)


def ask_chance(request: Request, reply: str) -> Request | None:
    """The request for how likely [[A]] and [[B]] were at the verdict of `reply`; None if it states none."""
    found = stated(reply)
    if found is None or found.verdict == "tie":
        return None
    before = reply[: found.start]
    prefix = before.rstrip()
    # Tokenizers put a space into the token after it, so it belongs to the choices: a prefix that ends in a bare
    # space is one that the model never saw.
    space = before[len(prefix) :]
    return replace(request, prefix=prefix, choices=(space + found.instead("A"), space + found.instead("B")), n=1)


def rule(
    backend: Backend,
    pack: PromptPack,
    comparison: Comparison,
    *,
    judge: str,
    orders: Sequence[Order] = ORDERS,
    max_tokens: int = 1024,
) -> Ruling:
    """Rule on one comparison, response a being the one called preferred. `judge` must be loaded in the backend."""
    return next(rule_many(backend, pack, {"one": comparison}, judge=judge, orders=orders, max_tokens=max_tokens))


def rule_many(
    backend: Backend,
    pack: PromptPack,
    comparisons: Mapping[str, Comparison],
    *,
    judge: str,
    orders: Sequence[Order] = ORDERS,
    max_tokens: int = 1024,
) -> Iterator[Ruling]:
    """Rule on many, by the caller's keys, in their order."""
    steps = {
        key: ruling_steps(
            pack, one, key=key, judge=judge, orders=orders, max_tokens=max_tokens, continues=backend.continues
        )
        for key, one in comparisons.items()
    }
    under_way = {key: next(step) for key, step in steps.items()}
    rulings: dict[str, Ruling] = {}
    while under_way:
        wanted = [request for asked in under_way.values() for request in asked]
        replies = {reply.key: reply for reply in backend.generate(wanted)} if wanted else {}
        for key, asked in list(under_way.items()):
            found = advance(steps[key], [replies[one.key] for one in asked])
            if isinstance(found, Ruling):
                rulings[key] = found
                del under_way[key]
            else:
                under_way[key] = found
    yield from (rulings[key] for key in comparisons)


Steps = Generator[list[Request], Sequence[Completion], Ruling]
"""A ruling under way: it yields what to ask next, and is sent the replies in that order."""


def advance(step: Steps, replies: Sequence[Completion]) -> list[Request] | Ruling:
    """What to ask next, or the ruling."""
    try:
        return step.send(replies)
    except StopIteration as end:
        ruling: Ruling = end.value
        return ruling


def ruling_steps(
    pack: PromptPack,
    comparison: Comparison,
    *,
    key: str,
    judge: str,
    orders: Sequence[Order] = ORDERS,
    max_tokens: int = 1024,
    continues: bool,
) -> Steps:
    """One ruling, whoever does the asking: first every order's reply, then how sure it was of what it stated.

    `continues`: whether the backend can be asked for odds (`Backend.continues`).
    """
    asked = [ask(pack, comparison, order, key=key, judge=judge, max_tokens=max_tokens) for order in orders]
    replies = yield asked
    wanted = [_more(request, reply) for request, reply in zip(asked, replies, strict=True)] if continues else []
    further = [request for request in wanted if request is not None]
    odds = {reply.key: reply.choice_probabilities for reply in (yield further)} if further else {}
    said = [
        order_ruling(
            order,
            verdict_of(reply),
            stored_text(reply),
            chance_first=next(iter(odds.get(request.key, ())), None),
            tokens=reply.tokens,
        )
        for order, request, reply in zip(orders, asked, replies, strict=True)
    ]
    return whole_ruling(key, judge, said)


def _more(request: Request, reply: Completion) -> Request | None:
    """How sure the judge was of a verdict that it stated: a reply that was cut off has none."""
    return ask_chance(request, reply.text) if verdict_of(reply) in ("A", "B") else None


def as_row(ruling: Ruling) -> dict[str, Any]:
    """The fields a ruling adds to its line of a file."""
    return {
        "judge": ruling.judge,
        "verdict": ruling.verdict,
        "prefers_a": ruling.prefers_a,
        "confidence": ruling.confidence,
        "orders": [asdict(order) for order in ruling.orders],
    }
