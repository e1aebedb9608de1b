"""A scripted model that lives in a made-up world: it answers, describes, alters and judges with a given skill.

    backend = FakeBackend(world := ScriptedWorld(load_pack("shapes")), choose=world.choose)

Truth is drawn from the image's file name, so it needs no pictures. It errs like a model: samples differ, a careless
judge says A, and `judge-v2` is more careful than `judge-v0`.
"""

import random
import re
from collections.abc import Callable, Sequence

from engine.backends.base import Request
from engine.prompts import PromptPack

NUMBERS = ("one", "two", "three", "four", "five", "six")
COLOURS = ("red", "green", "blue", "yellow", "white", "black")
SIDES = ("left", "right", "middle", "top", "bottom", "edge")
_FACTS = (NUMBERS, COLOURS, SIDES)
_DESCRIPTION = re.compile(r"picture shows (\w+) things.*? largest one is (\w+).*? stands near the (\w+)", re.S)
_ANSWER = re.compile(r"answer is (\w+)")


def growing(version: int) -> float:
    """Share of careful rulings of judge-v{version}."""
    return min(0.9, 0.35 + 0.2 * version)


class ScriptedWorld:
    """A `Reply` for `FakeBackend`."""

    def __init__(self, pack: PromptPack, *, careful: Callable[[int], float] = growing, knows: float = 0.7) -> None:
        self._pack = pack
        self._careful = careful
        self._knows = knows
        self._rulings = _reader(pack.judge)
        self._alterations = [_reader(prompt) for prompt in pack.alteration.dimensions.values()]

    def __call__(self, request: Request, sample: int) -> str:
        dice = random.Random(f"{request.seed} {sample} {request.judge}")
        text = request.messages[-1].text
        if found := self._rulings.fullmatch(text):
            return self._rule(request, found["question"], found["a"], found["b"], dice)
        if any(prompt.fullmatch(text) for prompt in self._alterations):
            return self._alter(request, dice)
        return self._answer(request, text, dice) if request.n > 1 else describe(facts(request))

    def choose(self, request: Request) -> Sequence[float]:
        """Probabilities that differ from one judge version to the next."""
        dice = random.Random(f"{request.judge} {request.messages[-1].text}")
        weights = [0.1 + dice.random() for _ in request.choices]
        return [weight / sum(weights) for weight in weights]

    def _answer(self, request: Request, text: str, dice: random.Random) -> str:
        right = truth(request, text)
        options = ("yes", "no") if right in ("yes", "no") else NUMBERS if right in NUMBERS else COLOURS
        return f"I look. The answer is {right if dice.random() < self._knows else dice.choice(options)}."

    def _alter(self, request: Request, dice: random.Random) -> str:
        said = list(facts(request))
        place = dice.randrange(3)
        old, new = said[place], dice.choice(_FACTS[place])
        said[place] = new
        if self._pack.alteration.form == "edit":
            return f"A{place + 1}: It says so, {old} to {new}."
        return describe(tuple(said))

    def _rule(self, request: Request, question: str, a: str, b: str, dice: random.Random) -> str:
        version = int(request.judge.removeprefix("judge-v"))
        if request.image is None or dice.random() >= self._careful(version):
            return f"I guess. [[{'A' if dice.random() < 0.75 else 'B'}]]"
        first, second = (faults(request, question, response) for response in (a, b))
        if first == second:
            return f"I see no difference. [[{dice.choice('AB')}]]"
        return f"I look. A has {first} faults, B has {second}. [[{'A' if first < second else 'B'}]]"


def facts(request: Request) -> tuple[str, ...]:
    """Number, colour and side that are true of the image."""
    dice = random.Random(request.image.name if request.image else "no image")
    return tuple(dice.choice(known) for known in _FACTS)


def describe(said: Sequence[str]) -> str:
    number, colour, side = said
    return (
        f"The picture shows {number} things of some kind. By far the largest one is {colour} all over. "
        f"It stands near the {side} of the scene."
    )


def truth(request: Request, question: str) -> str:
    """The right answer to a closed question: yes or no, a number, or a colour, by how the question begins."""
    dice = random.Random(f"{request.image.name if request.image else ''} {' '.join(question.split())[:60]}")
    if "How many" in question:
        return dice.choice(NUMBERS)
    if re.match(r"\s*(?:Is|Are|Does|Can|Do)\b", question):
        return dice.choice(("yes", "no"))
    return dice.choice(COLOURS)


def faults(request: Request, question: str, response: str) -> int:
    """Statements of the response that are not true."""
    if described := _DESCRIPTION.search(response):
        return sum(said != true for said, true in zip(described.groups(), facts(request), strict=True))
    answered = _ANSWER.search(response)
    return int(answered is None or answered[1] != truth(request, question))


def _reader(template: str) -> re.Pattern[str]:
    """Matches what the template was filled to, with the slots as groups."""
    pieces = re.split(r"\{(question|response|a|b)\}", template)
    fixed = [re.escape(piece) if place % 2 == 0 else f"(?P<{piece}>.*)" for place, piece in enumerate(pieces)]
    return re.compile("".join(fixed), re.S)
