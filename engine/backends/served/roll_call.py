"""Roll call: before a stage, every replica proves that it sees pictures and answers as the version it is asked for.

A replica that lost its adapter, kept a stale one or drops the image answers fluently, and every number measured with it
would be wrong without a word. So each is asked the odds of two verdicts on two pictures, and those that fail are named.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from PIL import Image

from engine.backends.base import Message, Request
from engine.backends.served.http_door import HttpDoor
from engine.backends.served.openai import OpenAIBackend
from engine.backends.served.replicas import Replicas
from engine.errors import BackendError
from engine.records import BASE_JUDGE

CHOICES = ("[[A]]", "[[B]]")
_ROUNDS_BEHIND_ONE_ADDRESS = 8
"""Connections that are made to a single address: a balancer sends them to different replicas."""
_ROUNDS = 2
_SIZE = (64, 64)
"""Of the pictures where there is none to go by."""
_LEAST = 1e-4
"""Log odds below which a difference may be rounding, whatever the noise."""
_NOISE_FACTOR = 3.0
_SPREAD = 0.5
"""Log odds by which replicas may differ from each other: number formats and batches differ, adapters differ by more."""
_METRIC = re.compile(r"^vllm:prefix_cache_(?P<what>queries|hits)(?:_total)?(?:\{[^}]*\})? (?P<value>\S+)$", re.M)
_ENOUGH_QUERIES = 20_000
"""Tokens looked up in the cache, from which on none found means that it does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """One answer to the roll call."""

    where: str
    """The replica's address, with the number of the connection if it is one of several behind it."""
    judge: str
    odds: tuple[float, float]
    """Log odds of [[A]] against [[B]] for either picture."""
    noise: float
    """How far the first picture's odds lay apart when they were asked for twice."""

    @property
    def sees(self) -> bool:
        return abs(self.odds[0] - self.odds[1]) > max(_LEAST, _NOISE_FACTOR * self.noise)

    def distance(self, other: "Present") -> float:
        """Largest difference of the odds of either picture."""
        return max(abs(a - b) for a, b in zip(self.odds, other.odds, strict=True))


def canaries(folder: Path, *, like: Path | None = None) -> tuple[Path, Path]:
    """Two pictures that nobody can take for each other, drawn into `folder`, as large as the picture `like`: some
    models take one size only."""
    folder.mkdir(parents=True, exist_ok=True)
    size = _SIZE
    if like is not None:
        with Image.open(like) as picture:
            size = picture.size
    width, height = size
    paths = folder / f"red-{width}x{height}.png", folder / f"blue-{width}x{height}.png"
    for path, colour in zip(paths, ("red", "blue"), strict=True):
        if not path.exists():
            Image.new("RGB", size, colour).save(path)
    return paths


def roll_call(
    backend: OpenAIBackend, judges: Sequence[str], messages: tuple[Message, ...], pictures: tuple[Path, Path]
) -> list[str]:
    """Ask every replica for the base model and for each of `judges`, which are loaded in the backend.

    `messages` is a judge prompt that the pictures decide. Returns remarks, e.g. on a prefix cache that finds nothing.
    Raises `BackendError` naming the replicas that do not answer as they should, and how.
    """
    if not backend.is_vllm:
        return []
    doors = backend.replicas.doors
    rounds = _ROUNDS_BEHIND_ONE_ADDRESS if len(doors) == 1 and not doors[0].is_local else _ROUNDS
    names = [BASE_JUDGE, *(judge for judge in judges if judge != BASE_JUDGE)]
    present: list[Present] = []
    faults: list[str] = []
    for door in doors:
        for number in range(rounds):
            where = f"{door.url}, connection {number + 1}" if len(doors) == 1 and rounds > 1 else door.url
            try:
                present += _answers(backend, door, where, names, messages, pictures)
            except BackendError as error:
                faults.append(f"{where}: {error}")
    faults += _faults(present)
    if faults:
        raise BackendError(
            "roll call: " + "; ".join(dict.fromkeys(faults)) + ". Mend or leave out these replicas, then resume."
        )
    return [remark for door in doors if (remark := _cache_remark(door))]


def _answers(
    backend: OpenAIBackend,
    door: HttpDoor,
    where: str,
    names: Sequence[str],
    messages: tuple[Message, ...],
    pictures: tuple[Path, Path],
) -> list[Present]:
    """What one replica says as each of the judges, over a connection of its own."""
    fresh = Replicas([door.fresh()], tries=2, patience=0.0)
    reader, left = backend.odds_of(fresh), threading.Event()
    try:
        found = []
        for name in names:
            request = Request(key="roll call", messages=messages, image=pictures[0], judge=name, choices=CHOICES)
            asked = [request, request, replace(request, image=pictures[1])]
            first, again, second = (reader.log_odds(one, left) for one in asked)
            found.append(Present(where=where, judge=name, odds=(first, second), noise=abs(first - again)))
        return found
    finally:
        fresh.close()


def _faults(present: Sequence[Present]) -> list[str]:
    bases = {one.where: one for one in present if one.judge == BASE_JUDGE}
    blind = [one for one in present if not one.sees]
    deaf = [one for one in present if one.judge != BASE_JUDGE and _is_deaf(one, present, bases)]
    faults = [f"{one.where}: does not see the image" for one in blind]
    faults += [f"{one.where}: answers as the base model when asked for {one.judge}" for one in deaf]
    failed = {one.where for one in (*blind, *deaf)}
    sound = [one for one in present if one.where not in failed]
    for judge in {one.judge for one in sound}:
        group = [one for one in sound if one.judge == judge]
        middle = [median(one.odds[picture] for one in group) for picture in (0, 1)]
        for one in group:
            if max(abs(odds - usual) for odds, usual in zip(one.odds, middle, strict=True)) > _SPREAD:
                faults.append(f"{one.where}: answers otherwise than the others when asked for {judge}")
    return faults


def _is_deaf(one: Present, present: Sequence[Present], bases: Mapping[str, Present]) -> bool:
    """Whether a replica ignores the version it was asked for: it answers exactly as the base, or as near to it as the
    noise while others do not. A version that hardly differs anywhere is the adapter check's to refuse."""
    own = one.distance(bases[one.where])
    others = max(other.distance(bases[other.where]) for other in present if other.judge == one.judge)
    noise = _NOISE_FACTOR * max(one.noise, bases[one.where].noise)
    return own <= _LEAST or (own <= noise and others > 4 * own)


def _cache_remark(door: HttpDoor) -> str | None:
    """A sentence where the server's prefix cache finds nothing, so that every sample pays for its picture again."""
    try:
        text = door.text_beside("/metrics")
    except BackendError:
        return None
    counts = {"queries": 0.0, "hits": 0.0}
    for found in _METRIC.finditer(text):
        counts[found["what"]] += float(found["value"])
    if counts["queries"] < _ENOUGH_QUERIES or counts["hits"] > 0:
        return None
    return (
        f"{door.url}: its prefix cache found nothing in {counts['queries']:,.0f} tokens, so every sample pays for its "
        "picture again."
    )
