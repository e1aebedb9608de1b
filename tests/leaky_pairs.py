"""Comparisons of made-up descriptions in which nothing but what is asked for says which one is preferred."""

import random
from collections.abc import Callable, Mapping

from engine.records import BenchmarkItem, content_id

PLACES = ("the left", "the right", "the middle", "the front", "the back")
THINGS = ("a dog", "a bench", "a red car", "two people", "a tree", "a kite", "a blue boat", "an old house")
Leak = Callable[[list[str], list[str], random.Random], None]


def comparisons(seed: int, leak: Leak | None = None, count: int = 300) -> list[BenchmarkItem]:
    """Descriptions of four sentences against the same with one thing exchanged; two items about every image."""
    dice = random.Random(seed)
    items = []
    for number in range(count):
        sentences = [f"On {place} there is {dice.choice(THINGS)}." for place in dice.sample(PLACES, 4)]
        changed = dice.randrange(4)
        other = [*sentences]
        other[changed] = f"{sentences[changed].split(' is ')[0]} is {dice.choice(THINGS)}."
        sides = [sentences, other]
        dice.shuffle(sides)  # which one is preferred is a coin: nothing in the texts says it
        preferred, degraded = sides
        if leak:
            leak(preferred, degraded, dice)
        items.append(
            BenchmarkItem(
                item_id=content_id(seed, number), benchmark="made", image_id=content_id(seed, number // 2), image="",
                question="Describe the picture.", preferred=" ".join(preferred), degraded=" ".join(degraded),
                kind="open", dimension=("thing", "place")[number % 2],
            )
        )  # fmt: skip
    return items


def by_wording(preferred: list[str], degraded: list[str], dice: random.Random) -> None:
    """Half of the altered responses say "appears to be" somewhere."""
    if dice.random() < 0.5:
        place = dice.randrange(4)
        degraded[place] = degraded[place].replace(" is ", " seems ")
        preferred[place] = preferred[place].replace(" is ", " shows ")


def by_length(preferred: list[str], degraded: list[str], dice: random.Random) -> None:
    """The altered response is longer in seven cases of ten, by words that both sides use."""
    longer = degraded if dice.random() < 0.7 else preferred
    longer.append(f"On {dice.choice(PLACES)} there is {dice.choice(THINGS)}.")


def by_order(preferred: list[str], degraded: list[str], dice: random.Random) -> None:
    """Both hold the same sentences; the true one names places in their order."""
    preferred.sort(key=lambda text: PLACES.index(text.split("On ")[1].split(" there")[0]))
    degraded[:] = dice.sample(preferred, 4)


LEAKS: Mapping[str, Leak] = {"wording": by_wording, "length": by_length, "order": by_order}
