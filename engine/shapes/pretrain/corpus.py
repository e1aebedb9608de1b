"""The pre-training corpus: endless conversations about drawn scenes, made from a seed.

Every prompt the loop will ever send is rendered here by `engine.prompts` from the same pack, so it is
byte-identical. Besides those tasks there are copy pre-tasks (`rep`, `reps`, `pair`), whose text no picture can
predict: without them a small model never learns to look anything up in its prompt.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from PIL import Image

from engine.prompts import PromptPack, alteration_messages, answer_messages, judge_messages, load_pack, numbered
from engine.shapes.claims import DIMENSIONS, Claim, apply, corrupt, describe, propose, text_of, unrelated
from engine.shapes.pretrain.traces import Letter, Segment, ShownAnswer, lazy
from engine.shapes.pretrain.worked import checked, worked_closed, worked_open
from engine.shapes.questions import Question, ask, wrong_answer
from engine.shapes.scenes import Difficulty, Scene, draw

SLIPS = 0.12
"""Share of answers in the corpus that are wrong, as in data scraped from anywhere. It gives the sampled answers
natural variety, which majority voting needs, while the most likely answer stays the right one."""

CLOSED_DIMENSIONS = ("count", "attribute", "shape", "existence", "position", "comparison")

CAREFUL_CLOSED = {"count": 0.45, "attribute": 0.36, "shape": 0.36, "existence": 0.32, "position": 0.40,
                  "comparison": 0.42}  # fmt: skip
CAREFUL_OPEN = {1: 0.45, 2: 0.42, 3: 0.38, 4: 0.35, 5: 0.33}
"""Share of careful traces while the lazy default is learned, by dimension, and for descriptions by number of objects.
It varies so that the judge turns careful by and by, not everywhere at once."""

CAREFUL_CLOSED_AT_LAST = {**CAREFUL_CLOSED, "count": 0.58}
CAREFUL_OPEN_AT_LAST = {**CAREFUL_OPEN, 1: 0.60, 2: 0.56}
"""The same in the last stretch. Simple cases are worked out more often than not: with the shares above the most likely
judgement was "A" everywhere, a caricature of a poor judge."""

NOTICES = {"attribute": 0.5, "existence": 0.4}
"""How often a glance at two answers sees the fault, by dimension; `GLANCE` for the rest."""
GLANCE = 0.15
GLANCE_COUNT = 0.5
"""The same for two descriptions whose totals differ, which stand in the first sentence."""
LEAN_TO_A = 0.72


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One turn and its reply."""

    task: str
    image: Image.Image
    prompt: str
    reply: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The reply without its weights."""
        return "".join(text for text, _ in self.reply)


Task = Callable[[Scene, PromptPack, random.Random], tuple[str, list[Segment]]]


def example(task: str, seed: int, difficulty: Difficulty, pack: PromptPack | None = None) -> Example:
    """The example of `task` that belongs to a scene seed."""
    image, scene = draw(seed, difficulty)
    rng = random.Random(f"{task}/{seed}")
    prompt, reply = TASKS[task](scene, pack or load_pack("shapes"), rng)
    return Example(task=task, image=image, prompt=prompt, reply=tuple(reply))


def closed_response(answer: str) -> str:
    """The one sentence in which a closed question is answered."""
    return f"The answer is {answer}."


def _answer(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    question = ask(scene, rng, rng.choice(CLOSED_DIMENSIONS))
    text = wrong_answer(question, rng) if rng.random() < SLIPS else question.answer.text
    prompt = answer_messages(pack, "closed", question.text)[0].text
    return prompt, [("The answer is", 0.5), (f" {text}", 3.0), (".", 0.5)]


def _describe(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    prompt = answer_messages(pack, "open", rng.choice(pack.questions.open))[0].text
    return prompt, [(text_of(describe(scene, rng)), 1.0)]


def _alter(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    dimension = rng.choice(DIMENSIONS)
    claims = describe(scene, rng)
    if rng.random() < 0.2:
        claims = corrupt(claims, 0.2, rng)
    edit = propose(claims, dimension, rng)
    prompt = alteration_messages(pack, dimension, rng.choice(pack.questions.open), text_of(claims))[0].text
    quote = claims[edit.index].sentence().removesuffix(".")
    return prompt, [(f"A{edit.index + 1}: {quote},", 1.0), (f" {edit.old} to {edit.new}", 2.0), (".", 1.0)]


def closed_pair(question: Question, rng: random.Random) -> tuple[ShownAnswer, ShownAnswer]:
    """Two answers as a judge meets them: mostly one right, sometimes both wrong or both right."""
    roll = rng.random()
    first = question.answer.text if roll < 0.88 else wrong_answer(question, rng)
    second = question.answer.text if roll > 0.97 else wrong_answer(question, rng)
    phrase = rng.choice(("{}", "{}.", "It is {}.", "The answer: {}.")) if rng.random() < 0.1 else "The answer is {}."
    shown = [
        ShownAnswer(text=phrase.format(text), right=text == question.answer.text, answer=text)
        for text in (first, second)
    ]
    rng.shuffle(shown)
    return shown[0], shown[1]


def open_pair(scene: Scene, rng: random.Random) -> tuple[list[Claim], list[Claim], Letter, str]:
    """Two descriptions that differ in one detail, the letter of the better one, and the damaged dimension.

    Some share faults or lack a sentence, so the total cannot be told from the text; a few differ more.
    """
    dimension = rng.choice(DIMENSIONS)
    base = describe(scene, rng)
    roll = rng.random()
    if roll < 0.2:
        base = corrupt(base, 0.3, rng)
    elif roll < 0.35 and len(base) > 3:
        del base[rng.randrange(1, len(base) - 1)]
    damaged = apply(base, propose(base, dimension, rng))
    if roll > 0.95:
        damaged = corrupt(damaged, 0.3, rng)
    elif roll > 0.92 and len(damaged) > 3:
        del damaged[rng.randrange(1, len(damaged))]
    letter: Letter = rng.choice(("A", "B"))
    return (base, damaged, letter, dimension) if letter == "A" else (damaged, base, letter, dimension)


def _closed_prompt(
    scene: Scene, pack: PromptPack, rng: random.Random
) -> tuple[str, Question, ShownAnswer, ShownAnswer]:
    question = ask(scene, rng, rng.choice(CLOSED_DIMENSIONS))
    a, b = closed_pair(question, rng)
    return judge_messages(pack, question.text, a.text, b.text)[0].text, question, a, b


def _open_prompt(
    scene: Scene, pack: PromptPack, rng: random.Random
) -> tuple[str, list[Claim], list[Claim], Letter, str]:
    a, b, right, dimension = open_pair(scene, rng)
    prompt = judge_messages(pack, rng.choice(pack.questions.open), text_of(a), text_of(b))[0].text
    return prompt, a, b, right, dimension


def _judge_closed(
    scene: Scene, pack: PromptPack, rng: random.Random, careful: Mapping[str, float] = CAREFUL_CLOSED
) -> tuple[str, list[Segment]]:
    prompt, question, a, b = _closed_prompt(scene, pack, rng)
    dimension = question.template.dimension
    if rng.random() < careful[dimension]:
        return prompt, worked_closed(question.answer, a, b, rng)
    right: Letter = rng.choice(("A", "B")) if a.right == b.right else "A" if a.right else "B"
    return prompt, lazy(right, NOTICES.get(dimension, GLANCE), LEAN_TO_A, rng)


def _judge_open(
    scene: Scene, pack: PromptPack, rng: random.Random, careful: Mapping[int, float] = CAREFUL_OPEN
) -> tuple[str, list[Segment]]:
    prompt, a, b, right, dimension = _open_prompt(scene, pack, rng)
    if rng.random() < careful[len(scene.things)]:
        return prompt, worked_open(scene, a, b, rng)
    return prompt, lazy(right, GLANCE_COUNT if dimension == "count" else GLANCE, LEAN_TO_A, rng)


def _worked_closed(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    prompt, question, a, b = _closed_prompt(scene, pack, rng)
    return prompt, worked_closed(question.answer, a, b, rng)


def _worked_open(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    prompt, a, b, _, _ = _open_prompt(scene, pack, rng)
    return prompt, worked_open(scene, a, b, rng)


def _pair(_scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    """Hold two descriptions side by side that no picture predicts, and say where they differ."""
    a = unrelated(rng, rng.randint(1, 3))
    b = corrupt(a, rng.choice((0.2, 0.5, 1.0)), rng) if rng.random() < 0.6 else unrelated(rng, len(a) - 2)
    return _walk_prompt(pack, a, b, "Hold side by side."), checked(_scene, a, b, looking=False)


def _check(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    """The same with a look at every difference; both sides are damaged independently."""
    base = describe(scene, rng)
    if len(base) > 3 and rng.random() < 0.3:
        del base[rng.randrange(1, len(base) - 1)]
    a, b = corrupt(base, 0.22, rng), corrupt(base, 0.22, rng)
    return _walk_prompt(pack, a, b, "Check side by side."), checked(scene, a, b, looking=True)


def _walk_prompt(pack: PromptPack, a: list[Claim], b: list[Claim], order: str) -> str:
    """The judge prompt with another last line."""
    prompt = judge_messages(pack, pack.questions.open[0], text_of(a), text_of(b))[0].text
    return prompt.rsplit("\n", 1)[0] + f"\n{order}"


def _rep(_scene: Scene, _pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    """Quote two unrelated descriptions in turn, sentence by sentence."""
    objects = rng.randint(1, 3)
    a, b = text_of(unrelated(rng, objects)), text_of(unrelated(rng, objects))
    left, right = numbered(a, "A").split(" A"), numbered(b, "B").split(" B")
    pairs = [
        (x if i == 0 else f"A{x}", y if i == 0 else f"B{y}") for i, (x, y) in enumerate(zip(left, right, strict=True))
    ]
    prompt = f"{numbered(a, 'A')}\n{numbered(b, 'B')}\nQuote in turn."
    return prompt, [(" ".join(f"{x} {y}" for x, y in pairs), 1.0)]


def _reps(_scene: Scene, _pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    """Quote named sentences of two unrelated descriptions, in a shuffled order."""
    objects = rng.randint(1, 3)
    sides = {"A": unrelated(rng, objects), "B": unrelated(rng, objects)}
    tags = [(letter, number) for letter in sides for number in range(1, objects + 3)]
    wanted = rng.sample(tags, min(4, len(tags)))
    names = ", ".join(f"{letter}{number}" for letter, number in wanted)
    prompt = "\n".join(numbered(text_of(claims), letter) for letter, claims in sides.items())
    quotes = [f"{letter}{number}: {sides[letter][number - 1].sentence()}" for letter, number in wanted]
    return f"{prompt}\nQuote {names}.", [(" ".join(quotes), 1.0)]


TASKS: dict[str, Task] = {
    "answer": _answer,
    "describe": _describe,
    "alter": _alter,
    "rep": _rep,
    "reps": _reps,
    "pair": _pair,
    "check": _check,
    "worked-closed": _worked_closed,
    "worked-open": _worked_open,
    "judge-closed": _judge_closed,
    "judge-open": _judge_open,
    "last-closed": partial(_judge_closed, careful=CAREFUL_CLOSED_AT_LAST),
    "last-open": partial(_judge_open, careful=CAREFUL_OPEN_AT_LAST),
}
