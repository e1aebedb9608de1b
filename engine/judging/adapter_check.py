"""The adapter check: a new judge version must not think exactly as its parent does.

An adapter can load without a complaint and do nothing (a wrong module name, a server that ignores it, a stale cache),
and every number measured afterwards would be the parent's. So the check asks the very backend that will be used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from engine.backends.base import Backend, Request, Sampling
from engine.errors import TrainingError
from engine.judging.asking import log_odds_of, ruling_request, stored_comparison
from engine.prompts import PromptPack
from engine.records import ORDERS, BenchmarkItem, content_id
from engine.workspace.files import write_json
from engine.workspace.folders import StageFolder

CHOICES = ("[[A]]", "[[B]]")
_PROBES = 16
"""Enough that an adapter which matters moves some of them; few enough to take a moment on any model."""
_LEAST = 1e-3
"""Log odds below which a difference may be rounding: float32 noise between batches was seen up to 1e-5."""
_NOISE_FACTOR = 3.0
"""In bfloat16 the same question asked twice differs by more; the difference must stand out from that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterCheck:
    """How far a version's opinion of two verdicts lies from its parent's, in log odds of [[A]] against [[B]]."""

    judge: str
    parent: str
    probes: int
    largest: float
    """Largest absolute difference over the probes."""
    mean: float
    noise: float
    """Largest absolute difference between two askings of the parent."""


def probes(items: Sequence[BenchmarkItem], *, images: Mapping[str, Path], pack: PromptPack) -> list[Request]:
    """The fixed probe set: up to 16 of the items, the same for every version, each order half the time."""
    chosen = sorted(items, key=lambda item: content_id("probe", item.item_id))[:_PROBES]
    return [
        replace(
            ruling_request(
                pack,
                stored_comparison(item, images.get(item.image_id) or Path(item.image), images),
                ORDERS[number % 2],
                key=f"probe-{number}",
                judge="",
                sampling=Sampling(max_tokens=1),
            ),
            choices=CHOICES,
        )
        for number, item in enumerate(chosen)
    ]


def check_adapter(
    *, backend: Backend, judge: str, parent: str, probes: Sequence[Request], folder: StageFolder | None = None
) -> AdapterCheck:
    """Compare `judge` with `parent` on the probes; the result is also written to adapter-check.json in `folder`.

    Raises `TrainingError` if the two cannot be told apart.
    """
    first = _log_odds(backend, parent, probes)
    again = _log_odds(backend, parent, list(reversed(probes)))
    changed = _log_odds(backend, judge, probes)
    noise = max(abs(first[key] - again[key]) for key in first)
    differences = [abs(changed[key] - first[key]) for key in first]
    result = AdapterCheck(
        judge=judge,
        parent=parent,
        probes=len(probes),
        largest=max(differences),
        mean=sum(differences) / len(differences),
        noise=noise,
    )
    if result.largest <= max(_LEAST, _NOISE_FACTOR * noise):
        raise TrainingError(
            f"{judge}: adapter without effect: its opinion of {len(probes)} probes differs from {parent}'s by at most "
            f"{result.largest:.2g} in log odds. Check that the backend applies the adapter; else raise "
            "train.learning_rate or train.epochs."
        )
    if folder is not None:
        folder.folder.mkdir(parents=True, exist_ok=True)
        write_json(folder.folder / "adapter-check.json", asdict(result))
    return result


def _log_odds(backend: Backend, judge: str, probes: Sequence[Request]) -> dict[str, float]:
    """Key → log odds of the first choice against the second, as the next text after the prompt."""
    found = {}
    for completion in backend.generate([replace(probe, judge=judge) for probe in probes]):
        found[completion.key] = log_odds_of(completion)
    return found
