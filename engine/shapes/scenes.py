"""Scenes of coloured shapes on a 3×3 grid: their exact description, and how they are drawn.

Nothing here knows of questions, language models or the loop. `scene_image` gives pixels alone; only the
corpus, the benchmark and the measurements may look at the `Scene` behind them.
"""

import hashlib
import random
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from engine.shapes.looks import CLEAR, Look, seen_through

Difficulty = Literal["easy", "normal", "hard"]
Space = Literal["pretrain", "loop", "benchmark", "measure", "test"]

CELL = 16
"""Pixels per cell side as the model sees it. One cell is one patch of the vision tower, so 9 image tokens per scene."""
SIDE = 3 * CELL
SHOWN = 8 * SIDE
"""Pixels per side of a picture that a person may see. The model's processor makes it `SIDE` again."""

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")
PLACES = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)
SIZES = ("small", "big")
SHAPES = ("circle", "square", "triangle", "star", "cross")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "green": (44, 160, 60),
    "blue": (40, 84, 214),
    "yellow": (238, 214, 44),
    "orange": (240, 132, 24),
    "purple": (134, 52, 176),
    "pink": (244, 138, 190),
    "white": (246, 246, 246),
}

_SPACES: dict[Space, int] = {"pretrain": 1, "loop": 2, "benchmark": 3, "measure": 4, "test": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What scenes of a difficulty look like. Noise and jitter are standard deviations in 8-bit levels."""

    objects: tuple[int, int]
    noise: float
    """The most that pre-training adds to its small pictures. Large ones have none: averaging would remove it."""
    colour_jitter: float
    background: tuple[int, int]
    """Range of the background's mean grey level; the drawn colours need not stand out from it."""
    tint: float


STYLES: dict[Difficulty, Style] = {
    "easy": Style(objects=(2, 3), noise=4, colour_jitter=5, background=(20, 60), tint=5),
    "normal": Style(objects=(2, 4), noise=12, colour_jitter=12, background=(20, 110), tint=14),
    "hard": Style(objects=(3, 5), noise=26, colour_jitter=20, background=(20, 140), tint=24),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object of a scene."""

    cell: int
    """0..8 in reading order."""
    size: str
    colour: str
    shape: str

    @property
    def place(self) -> str:
        """The cell in words, e.g. "top left"."""
        return PLACES[self.cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The answer key of one picture: its objects in reading order, at most one per cell."""

    things: tuple[Thing, ...]
    difficulty: Difficulty

    def at(self, place: str) -> Thing | None:
        """The object in a cell named in words, or None when the cell is empty."""
        return next((thing for thing in self.things if thing.place == place), None)


def scene_seed(space: Space, seed: int, index: int, attempt: int = 0) -> int:
    """A 64-bit seed whose top byte is the space, so no two spaces ever share a scene's seed.

    `attempt` is another scene for the same index, for those who may not take the first (the benchmark).
    """
    digest = hashlib.sha256(f"{seed}/{index}/{attempt}".encode()).digest()
    return (_SPACES[space] << 56) | int.from_bytes(digest[:7], "big")


def scene_image(seed: int, index: int, difficulty: Difficulty = "normal", look: Look = CLEAR) -> Image.Image:
    """Picture `index` of the endless series `seed` for the loop: pixels only, never the key."""
    number = scene_seed("loop", seed, index)
    return seen_through(draw(number, difficulty)[0], look, number)


def scene_of(seed: int, difficulty: Difficulty = "normal") -> Scene:
    """The key alone."""
    return compose(random.Random(f"{difficulty}/{seed}"), difficulty)


def draw(seed: int, difficulty: Difficulty = "normal") -> tuple[Image.Image, Scene]:
    """The picture, 384×384, and the key that belong to a seed. The same seed gives the same pixels everywhere."""
    rng = random.Random(f"{difficulty}/{seed}")
    scene = compose(rng, difficulty)
    return render(scene, rng, side=SHOWN, finer=2), scene


def glimpse(seed: int, difficulty: Difficulty = "normal") -> tuple[Image.Image, Scene]:
    """The picture as the model sees it, 48×48, drawn small at once and with noise: what pre-training looks at."""
    rng = random.Random(f"{difficulty}/{seed}")
    scene = compose(rng, difficulty)
    clean = np.asarray(render(scene, rng, side=SIDE, finer=4), dtype=np.float32)
    noise = np.random.default_rng(rng.getrandbits(64))
    pixels = clean + noise.normal(0, rng.uniform(0, STYLES[difficulty].noise), clean.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), scene


def compose(rng: random.Random, difficulty: Difficulty) -> Scene:
    """A random scene. Number, cells, sizes, colours and shapes are uniform and independent.

    So nothing that is said of one object makes anything likelier about another, and a wrong word drawn uniformly
    cannot be told from a right one by its company.
    """
    cells = sorted(rng.sample(range(9), rng.randint(*STYLES[difficulty].objects)))
    colours = list(COLOURS)
    things = tuple(
        Thing(cell=cell, size=rng.choice(SIZES), colour=rng.choice(colours), shape=rng.choice(SHAPES)) for cell in cells
    )
    return Scene(things=things, difficulty=difficulty)


def render(scene: Scene, rng: random.Random, *, side: int, finer: int) -> Image.Image:
    """RGB pixels of a scene: tinted sloping ground, smooth shapes.

    Shapes are drawn `finer` times too large and then averaged, which makes their edges smooth.
    """
    style = STYLES[scene.difficulty]
    grey = rng.uniform(*style.background)
    base = np.clip([grey + rng.gauss(0, style.tint) for _ in range(3)], 0, 160)
    slope = np.linspace(-1, 1, side) * rng.uniform(-style.tint, style.tint)
    column = Image.fromarray(np.clip(base + slope[:, None, None], 0, 255).astype(np.uint8))
    full = side * finer
    ground = np.broadcast_to(np.asarray(column.resize((1, full))), (full, full, 3))  # enlarging it whole takes longer
    large = Image.fromarray(ground.transpose(1, 0, 2) if rng.random() < 0.5 else ground)
    pen = ImageDraw.Draw(large)
    for thing in scene.things:
        _draw_thing(pen, thing, rng, style.colour_jitter, full / SIDE)
    return large.reduce(finer)


def _draw_thing(pen: ImageDraw.ImageDraw, thing: Thing, rng: random.Random, jitter: float, scale: float) -> None:
    row, column = divmod(thing.cell, 3)
    x = (column * CELL + CELL / 2 + rng.uniform(-1, 1)) * scale
    y = (row * CELL + CELL / 2 + rng.uniform(-1, 1)) * scale
    radius = (6.6 if thing.size == "big" else 4.0) * rng.uniform(0.94, 1.06) * scale
    red, green, blue = (max(0, min(255, round(level + rng.gauss(0, jitter)))) for level in COLOURS[thing.colour])
    fill = (red, green, blue)
    if thing.shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    else:
        pen.polygon([(x + dx * radius, y + dy * radius) for dx, dy in _OUTLINES[thing.shape]], fill=fill)


def _star() -> list[tuple[float, float]]:
    angles = np.arange(10) * np.pi / 5 - np.pi / 2
    lengths = np.where(np.arange(10) % 2 == 0, 1.12, 0.45)
    return [(float(np.cos(a) * r), float(np.sin(a) * r)) for a, r in zip(angles, lengths, strict=True)]


_ARM = 0.36
_OUTLINES: dict[str, list[tuple[float, float]]] = {
    "square": [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
    "triangle": [(0.0, -1.0), (1.0, 0.85), (-1.0, 0.85)],
    "star": _star(),
    "cross": [
        (-_ARM, -1), (_ARM, -1), (_ARM, -_ARM), (1, -_ARM), (1, _ARM), (_ARM, _ARM),
        (_ARM, 1), (-_ARM, 1), (-_ARM, _ARM), (-1, _ARM), (-1, -_ARM), (-_ARM, -_ARM),
    ],
}  # fmt: skip
"""Corners in units of the radius, x to the right, y down."""
