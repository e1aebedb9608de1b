"""The pre-training corpus: endless conversations about drawn scenes, made from a seed.

Every prompt the loop will ever send is rendered here by `engine.prompts` from the same pack, so it is
byte-identical. Besides those tasks there are copy pre-tasks (`rep`, `reps`, `pair`), whose text no picture can
predict: without them a small model never learns to look anything up in its prompt. `look` does the same for the
picture, several times per reply.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from engine.prompts import PromptPack, alteration_messages, answer_messages, judge_messages, load_pack, numbered
from engine.shapes.claims import DIMENSIONS, Claim, Edit, apply, corrupt, describe, propose, text_of, unrelated
from engine.shapes.pretrain.traces import (
    Segment,
    ShownAnswer,
    careful,
    checked,
    closed_trace,
    compared,
    hasty_closed,
    hasty_open,
    open_trace,
)
from engine.shapes.questions import (
    SLOTS,
    Question,
    ask,
    at_place,
    contested,
    of_colour,
    of_row,
    of_shape,
    where,
    wrong_answer,
)
from engine.shapes.scenes import Difficulty, Scene, glimpse

SLIPS = 0.12
"""Share of answers in the corpus that are wrong, as in data scraped from anywhere. It gives the sampled answers
natural variety, which majority voting needs, while the most likely answer stays the right one."""

CLOSED_DIMENSIONS = ("count", "attribute", "shape", "existence", "position", "comparison")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One turn and its reply."""

    task: str
    image: Image.Image
    prompt: str
    reply: tuple[Segment, ...]

    @property
    def echoes(self) -> bool:
        """Whether its prompt shows one description twice, but for a few words."""
        return self.task in ("pair", "check", "judge-open", "careful-open", "hasty-open")

    @property
    def text(self) -> str:
        """The reply without its weights."""
        return "".join(text for text, _ in self.reply)


Task = Callable[[Scene, PromptPack, random.Random], tuple[str, list[Segment]]]


def example(task: str, seed: int, difficulty: Difficulty, pack: PromptPack | None = None) -> Example:
    """The example of `task` that belongs to a scene seed."""
    image, scene = glimpse(seed, difficulty)
    rng = random.Random(f"{task}/{seed}")
    prompt, reply = (TASKS | HABIT_TASKS)[task](scene, pack or load_pack("shapes"), rng)
    return Example(task=task, image=image, prompt=prompt, reply=tuple(reply))


def closed_response(answer: str) -> str:
    """The one sentence in which a closed question is answered."""
    return f"The answer is {answer}."


def _answer(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    question = ask(scene, rng, rng.choice(CLOSED_DIMENSIONS))
    text = wrong_answer(question, scene, rng) if rng.random() < SLIPS else question.answer.text
    prompt = answer_messages(pack, "closed", question.text)[0].text
    return prompt, [("The answer is", 0.5), (f" {text}", 3.0), (".", 0.5)]


def _describe(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    prompt = answer_messages(pack, "open", rng.choice(pack.questions.open))[0].text
    return prompt, [(text_of(describe(scene, rng)), 1.0)]


def _alter(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    claims = describe(scene, rng)
    if rng.random() < 0.2:
        claims = corrupt(claims, 0.2, rng)
    dimension, edit = _edit(scene, claims, rng)
    prompt = alteration_messages(pack, dimension, rng.choice(pack.questions.open), text_of(claims))[0].text
    quote = claims[edit.index].sentence().removesuffix(".")
    return prompt, [(f"A{edit.index + 1}: {quote},", 1.0), (f" {edit.old} to {edit.new}", 2.0), (".", 1.0)]


def _edit(scene: Scene, claims: list[Claim], rng: random.Random) -> tuple[str, Edit]:
    """A dimension, each as likely as the others where the scene allows it, and a change that damages it."""
    while True:
        dimension = rng.choice(DIMENSIONS)
        edit = propose(scene, claims, dimension, rng)
        if edit:
            return dimension, edit


def closed_pair(scene: Scene, rng: random.Random) -> tuple[Question, ShownAnswer, ShownAnswer]:
    """A question and two answers as a judge meets them: mostly one right, sometimes both wrong."""
    found = None
    dimension = rng.choice(CLOSED_DIMENSIONS)
    while found is None:
        found = contested(scene, rng, dimension)
    question, wrong = found
    first = question.answer.text if rng.random() < 0.94 else wrong_answer(question, scene, rng)
    phrase = rng.choice(("{}", "{}.", "It is {}.", "The answer: {}.")) if rng.random() < 0.1 else "The answer is {}."
    shown = [ShownAnswer(text=phrase.format(text), answer=text) for text in (first, wrong)]
    rng.shuffle(shown)
    return question, shown[0], shown[1]


def open_pair(scene: Scene, rng: random.Random) -> tuple[list[Claim], list[Claim]]:
    """Two descriptions in any order that differ in one word. Some share faults; a few differ in more."""
    base = describe(scene, rng)
    roll = rng.random()
    if roll < 0.25:
        base = corrupt(base, 0.3, rng)
    damaged = apply(base, _edit(scene, base, rng)[1])
    if roll > 0.95:
        damaged = corrupt(damaged, 0.3, rng)
    return (base, damaged) if rng.random() < 0.5 else (damaged, base)


def _judge_closed(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    question, a, b = closed_pair(scene, rng)
    return judge_messages(pack, question.text, a.text, b.text)[0].text, closed_trace(question.answer, a, b, rng)


def _judge_open(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    a, b = open_pair(scene, rng)
    prompt = judge_messages(pack, rng.choice(pack.questions.open), text_of(a), text_of(b))[0].text
    return prompt, open_trace(scene, a, b, rng)


def _careful_closed(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    prompt, trace = _judge_closed(scene, pack, rng)
    return prompt, careful(trace)


def _careful_open(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    prompt, trace = _judge_open(scene, pack, rng)
    return prompt, careful(trace)


def _hasty_closed(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    question, a, b = closed_pair(scene, rng)
    return judge_messages(pack, question.text, a.text, b.text)[0].text, hasty_closed(a, b)


def _hasty_open(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    a, b = open_pair(scene, rng)
    prompt = judge_messages(pack, rng.choice(pack.questions.open), text_of(a), text_of(b))[0].text
    return prompt, hasty_open(a, b, rng)


def _pair(_scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    """Say where two descriptions differ that no picture predicts."""
    a = unrelated(rng, rng.randint(1, 2))
    b = corrupt(a, rng.choice((0.2, 0.4, 0.8)), rng)
    return _walk_prompt(pack, a, b, "Compare."), compared(a, b)


def _check(scene: Scene, pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    """The same with a look at every difference; both sides are damaged independently."""
    base = describe(scene, rng)
    a, b = corrupt(base, 0.3, rng), corrupt(base, 0.3, rng)
    return _walk_prompt(pack, a, b, "Check."), checked(scene, a, b)


def _walk_prompt(pack: PromptPack, a: list[Claim], b: list[Claim], order: str) -> str:
    """The judge prompt with another last line."""
    prompt = judge_messages(pack, pack.questions.open[0], text_of(a), text_of(b))[0].text
    return prompt.rsplit("\n", 1)[0] + f"\n{order}"


def _look(scene: Scene, _pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    """Say what is seen at places, and where things are, in the words of the traces: three looks, one after another."""
    looks: list[tuple[str, str]] = []
    for _ in range(3):
        place, row, colour, shape = (rng.choice(SLOTS[name]) for name in ("place", "row", "colour", "shape"))
        if rng.random() < 0.5:
            seen = rng.choice(scene.things)
            place, colour, shape = seen.place, seen.colour, seen.shape
        looks.append(
            rng.choice(
                [
                    (place, at_place(scene, place)),
                    (place, at_place(scene, place)),
                    (colour, where(*of_colour(scene, colour))),
                    (shape, where(*of_shape(scene, shape))),
                    (f"{row} row", where(*of_row(scene, row))),
                    ("objects", where("The objects are", scene.things)),
                ]
            )
        )
    return f"Look: {', '.join(name for name, _ in looks)}.", [(" ".join(sentence for _, sentence in looks), 1.5)]


def _rep(_scene: Scene, _pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    """Quote two unrelated descriptions in turn, sentence by sentence."""
    objects = rng.randint(1, 2)
    a, b = text_of(unrelated(rng, objects)), text_of(unrelated(rng, objects))
    left, right = numbered(a, "A").split(" A"), numbered(b, "B").split(" B")
    pairs = [
        (x if i == 0 else f"A{x}", y if i == 0 else f"B{y}") for i, (x, y) in enumerate(zip(left, right, strict=True))
    ]
    prompt = f"{numbered(a, 'A')}\n{numbered(b, 'B')}\nQuote in turn."
    return prompt, [(" ".join(f"{x} {y}" for x, y in pairs), 1.0)]


def _reps(_scene: Scene, _pack: PromptPack, rng: random.Random) -> tuple[str, list[Segment]]:
    """Quote named sentences of two unrelated descriptions, in a shuffled order."""
    objects = rng.randint(1, 2)
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
    "look": _look,
    "alter": _alter,
    "rep": _rep,
    "reps": _reps,
    "pair": _pair,
    "check": _check,
    "judge-closed": _judge_closed,
    "judge-open": _judge_open,
}
"""What the embedded model is made of; its tokenizer too, so their order counts."""

HABIT_TASKS: dict[str, Task] = {
    "careful-closed": _careful_closed,
    "careful-open": _careful_open,
    "hasty-closed": _hasty_closed,
    "hasty-open": _hasty_open,
}
"""Judging in two ways, of the model that `--habit` makes of the embedded one."""
