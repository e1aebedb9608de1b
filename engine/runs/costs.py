"""What a run would take on rented cards: hours, GPU-hours, memory and money, from a table of assumed rates.

The rates are assumptions, written down here once so that they can be argued with; an earlier run on the same machine
(`plan.py`) always outweighs them. What they rest on is said beside each.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from engine.config import Settings
from engine.errors import SettingsError
from engine.machine import Machine, this_machine
from engine.workspace.provenance import model_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One GPU, as its maker describes it, and what an hour of it costs."""

    name: str
    memory: float
    """GB."""
    teraflops: float
    """bf16, dense."""
    bandwidth: float
    """TB/s of memory."""
    price: float
    """US dollars an hour, an assumption of late 2026; machine.yaml says another."""


CARDS = (
    Card(name="RTX 4090", memory=24, teraflops=165, bandwidth=1.0, price=0.4),
    Card(name="L4", memory=24, teraflops=121, bandwidth=0.3, price=0.7),
    Card(name="L40S", memory=48, teraflops=362, bandwidth=0.86, price=1.0),
    Card(name="A100", memory=80, teraflops=312, bandwidth=2.0, price=1.5),
    Card(name="H100", memory=80, teraflops=989, bandwidth=3.35, price=2.5),
    Card(name="H200", memory=141, teraflops=989, bandwidth=4.8, price=3.5),
    Card(name="B200", memory=180, teraflops=2250, bandwidth=8.0, price=5.0),
)

_READING = 0.25
"""Share of a card's arithmetic that reading prompts reaches; the vision tower and the waiting for images are in it."""
_WRITING_VLLM = 0.15
"""Share of (weights read a second) × 256 samples that vLLM writes: 8,000 tokens/s for 8B on an H100."""
_WRITING_HERE = 0.04
"""The same in this process: 1,700 to 2,800 tokens/s were measured for 8.8B on an H200 (20 % of vLLM's assumed rate)."""
_TRAINING = 0.25
"""Share of a card's arithmetic in LoRA training: measured .24 to .26 on an H200."""
_FLOPS_TRAINED = 4e9
"""For a token and a billion weights: forward, and back through the activations; frozen weights get no gradient."""
_ROWS_BYTES = 1.1e6
"""Of memory for a token of a training batch, most of it the logits: 23 and 57 GiB were measured for 4 and 16 rows."""
_FULL_BYTES = 16
"""Of memory for a weight that is itself trained: its float32, its gradient, and two means of Adam."""
_CACHE_BYTES = 1.7e4
"""Keys and values of a token for a billion weights, in bf16: 16.8 kB for Qwen3-VL-8B, 8 to 33 kB for other families."""
_PREFILL_BYTES = 1.6e9
"""Activations of the prompts that are read together in this process: 16,384 tokens of some 100 kB."""
_ROWS_HERE = 512
"""Samples that this process draws at once at most."""
_CACHE_SHARE = 0.5
"""Of the memory that is free beside the weights: what this process lets their keys and values take."""
_SERVER_SPARE = 8.0
"""GB beside the weights in which a server still works: a context of 8,192 tokens a few times over, and its graphs."""
_START_SECONDS = 180.0
"""Of a server: weights, compiling, graphs. Twice an iteration, as training needs the card."""
_SLACK = 1.1
"""A run is refused only where it would not fit even if it needs a tenth less than is estimated."""
_PICTURE_SIDE = 1024
"""Pixels of the longer side of a usual picture."""
_SQUARE = 28
_PACK_TOKENS = 700
_REPLY_SHARE = 0.5
"""Of `max_tokens`: how long replies are on average."""
_ANSWER_TOKENS = 60
"""Of a closed question's answer with its short reasoning."""

SMALL = 0.5
"""Billions of weights below which no card need be rented."""

_NAMED_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?[bB](?![\w])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Tokens of a part of a run."""

    read: float
    written: float
    trained: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            read=self.read + other.read, written=self.written + other.written, trained=self.trained + other.trained
        )

    def times(self, count: int) -> "Work":
        return Work(read=self.read * count, written=self.written * count, trained=self.trained * count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A run on one kind of card."""

    card: Card
    hours: float
    gpu_hours: float
    money: float
    """US dollars, or the money of machine.yaml."""
    needs: float
    """GB on one GPU."""

    @property
    def fits(self) -> bool:
        return self.needs <= self.card.memory


def billions(base: str) -> float | None:
    """Weights of the model in billions: from its files, else as its name says ("…-8B-…"); None if neither tells."""
    folder = model_folder(base)
    if folder is not None:
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        return size / 2e9 if size else None
    named = _NAMED_SIZE.search(base.rpartition("/")[2].replace("-", " ").replace("_", " "))
    return float(named[1]) if named else None


def synthesis(settings: Settings, *, opened: int, closed: int) -> Work:
    """Pairs from instructions: an answer and its alterations, or many samples of one answer."""
    tries = 1 + settings.synthesize.alteration_tries
    length = settings.synthesize.max_tokens * _REPLY_SHARE
    return Work(
        read=_prompt(settings, responses=1) * (opened * tries + closed),
        written=opened * tries * length + closed * settings.synthesize.samples * min(length, _ANSWER_TOKENS),
    )


def rulings(settings: Settings, *, prompts: int, samples: int, max_tokens: int) -> Work:
    """Traces or verdicts: `prompts` of them read, each answered `samples` times."""
    return Work(read=_prompt(settings, responses=2) * prompts, written=prompts * samples * max_tokens * _REPLY_SHARE)


def training(settings: Settings, *, kept: int) -> Work:
    """Passes over the kept traces."""
    return Work(read=0, written=0, trained=_row(settings) * kept * settings.train.epochs)


def offers(settings: Settings, work: Work, machine: Machine, *, iterations: int) -> tuple[Offer, ...]:
    """The run on every card of the table; () where the model's size is not known."""
    size = billions(settings.model.base)
    if size is None:
        return ()
    needs = memory_needed(settings, size)
    return tuple(_offer(settings, work, card, machine, size, needs, iterations) for card in CARDS)


def memory_needed(settings: Settings, size: float) -> float:
    """GB on one GPU, of the stage that needs most: the weights in bf16, and a batch in training or room to serve."""
    weights = 2 * size
    batch = settings.train.micro_batch_size * _row(settings) * _ROWS_BYTES / 1e9
    if settings.train.method == "full":
        batch += _FULL_BYTES * size
    return weights + max(batch, _SERVER_SPARE)


def generation_needed(size: float, *, rows: int, prompt: float, reply: float, samples: int) -> float:
    """GB on one GPU, of `rows` samples drawn at once in this process: weights in bf16, keys and values, and the reading
    of prompts. Each prompt is held once for its `samples`; lengths are in tokens."""
    caches = rows * (prompt / samples + reply) * _CACHE_BYTES * size
    return 2 * size + (caches + _PREFILL_BYTES) / 1e9


def peak_here(settings: Settings, size: float, card: Card | None) -> float:
    """GB on one GPU at most, of a run whose model is in this process: training, or judging with as many rows at once as
    the card takes. A smaller card takes fewer rows and is slower, so for an unknown one it is `memory_needed`, what a
    run cannot do without."""
    needed = memory_needed(settings, size)
    if card is None:
        return needed
    drawn = generation_needed(
        size,
        rows=_ROWS_HERE,
        prompt=_prompt(settings, responses=2),
        reply=settings.judge.max_tokens,
        samples=settings.judge.traces_per_order,
    )
    taken = 2 * size + _CACHE_SHARE * max(0.0, card.memory - 2 * size) + _PREFILL_BYTES / 1e9
    return max(needed, min(drawn, taken))


def card_here(machine: Machine) -> Card | None:
    """The card that machine.yaml names, else the one the driver reports; None without any."""
    name = machine.card or _reported()
    if name is None:
        return None
    plain = name.casefold()
    return next((card for card in reversed(CARDS) if card.name.casefold() in plain), None)


def refusal(settings: Settings, card: Card) -> str | None:
    """Why a run does not fit on the card, and the nearest plan that does; None if it fits."""
    size = billions(settings.model.base)
    if size is None or memory_needed(settings, size) <= card.memory * _SLACK:
        return None
    said = f"The run needs about {memory_needed(settings, size):.0f} GB on one GPU, a {card.name} has {card.memory:.0f}"
    for micro in (8, 4, 2, 1):
        train = settings.train.model_copy(update={"micro_batch_size": micro})
        smaller = settings.model_copy(update={"train": train})
        if micro < settings.train.micro_batch_size and memory_needed(smaller, size) <= card.memory:
            return f"{said}. Nearest that fits: train.micro_batch_size={micro}."
    larger = next((one for one in CARDS if memory_needed(settings, size) <= one.memory), None)
    most = (card.memory - _SERVER_SPARE) / 2
    there = f", or a {larger.name}" if larger else ""
    return f"{said}. Nearest that fits: a model of at most {most:.0f} billion weights{there}."


def check_fits(settings: Settings) -> None:
    """Raises `SettingsError` where this machine's own card is too small, with the nearest plan that fits."""
    size = billions(settings.model.base)
    if settings.model.backend == "openai" or settings.model.device == "cpu" or size is None or size < SMALL:
        return
    if settings.train.method == "full" and this_machine().shares_weights:
        return  # among so many cards as the machine has, or its file says
    card = card_here(this_machine())
    reason = None if card is None else refusal(settings, card)
    if reason is not None:
        raise SettingsError(f"model.base: {reason}")


def offer_line(offer: Offer) -> str:
    """One line of the table."""
    where = f"{offer.card.name} ({offer.card.memory:.0f} GB)"
    if not offer.fits:
        return f"  {where:<18} does not fit: about {offer.needs:.0f} GB are needed"
    return f"  {where:<18} {offer.hours:7.1f} h {offer.gpu_hours:8.1f} GPU-hours {offer.money:9,.0f} money"


def _offer(
    settings: Settings, work: Work, card: Card, machine: Machine, size: float, needs: float, iterations: int
) -> Offer:
    served = settings.model.backend != "transformers"
    reads = card.teraflops * 1e12 * _READING / (2e9 * size)
    writes = card.bandwidth * 1e12 / (2e9 * size) * 256 * (_WRITING_VLLM if served else _WRITING_HERE)
    trains = card.teraflops * 1e12 * _TRAINING / (_FLOPS_TRAINED * size)
    asked = work.read / reads + work.written / writes
    starts = 2 * iterations * _START_SECONDS if settings.model.backend == "vllm" else 0.0
    gpus = machine.gpus if served else 1
    hours = (asked / gpus + work.trained / trains + starts) / 3600
    here = machine.card is not None and card.name.casefold() in machine.card.casefold()
    price = machine.price if here and machine.price is not None else card.price
    return Offer(card=card, hours=hours, gpu_hours=hours * gpus, money=hours * gpus * price, needs=needs)


def _prompt(settings: Settings, *, responses: int) -> float:
    """Tokens: a picture, the pack's text, and responses."""
    picture = (min(settings.source.max_side, _PICTURE_SIDE) / _SQUARE) ** 2
    return picture + _PACK_TOKENS + responses * settings.synthesize.max_tokens * _REPLY_SHARE


def _row(settings: Settings) -> float:
    """Tokens of a row in training: the judge's prompt and its trace."""
    return _prompt(settings, responses=2) + settings.judge.max_tokens * _REPLY_SHARE


def _reported() -> str | None:
    """The first card's name, as nvidia-smi says; importing torch would take seconds."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    words: Sequence[str] = (program, "--query-gpu=name", "--format=csv,noheader")
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return said.strip().splitlines()[0] if said.strip() else None
