"""The served check: a server must rule as the model did in training, where the two are different software.

At the end of training the model's opinion at the verdicts of some kept traces is written down. A server that drops a
module of the adapter, scales it otherwise or renders the prompt differently gives another opinion of the same text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from engine.backends.base import Backend, Request, Sampling
from engine.errors import TrainingError
from engine.judging.asking import log_odds_of, ruling_request
from engine.judging.ruling import ask_chance
from engine.prompts import PromptPack
from engine.records import Pair, Trace, content_id
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import StageFolder

OPINIONS = "opinions.json"
PROBES = 16
_DECIDED = 0.5
"""Log odds from which an opinion counts as one: below, two number formats may well differ in sign."""
_LEAST_AGREEMENT = 0.8
"""Share of decided opinions that must have the same sign; chance gives one half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedCheck:
    """How far a served version agrees with what was trained."""

    judge: str
    probes: int
    """Opinions that are decided in training."""
    agreement: float
    """Share of them with the same verdict when served; 1 where none was decided."""
    mean_difference: float
    """Of the log odds, absolute, over all probes."""

    def check(self) -> None:
        """Raise `TrainingError` if the server rules otherwise than the trained model."""
        if self.agreement < _LEAST_AGREEMENT:
            other = round(self.probes * (1 - self.agreement))
            raise TrainingError(
                f"{self.judge}: the server rules otherwise than the trained model on {other} of {self.probes} probes. "
                "Check that it loads the adapter and uses the model's own chat template; else use "
                "model.backend=transformers."
            )


def probe_traces(traces: Sequence[Trace]) -> list[Trace]:
    """Up to 16 of the kept traces, always the same."""
    return sorted(traces, key=lambda trace: content_id("served", trace.trace_id))[:PROBES]


def write_opinions(folder: StageFolder, log_odds: Mapping[str, float]) -> None:
    """Record trace id → log odds of [[A]] against [[B]] at the trace's verdict, as the trained model has them."""
    write_json(folder.folder / OPINIONS, {"log_odds": dict(log_odds)})


def check_served(
    *,
    backend: Backend,
    judge: str,
    trained: StageFolder,
    traces: Sequence[Trace],
    pairs: Mapping[str, Pair],
    images: Mapping[str, Path],
    pack: PromptPack,
    folder: StageFolder | None = None,
) -> ServedCheck | None:
    """Compare the opinions in the train folder `trained` with those of `judge` in `backend`; None without any.

    The result is also written to served-check.json in `folder`. Raises `TrainingError` if the two disagree.
    """
    recorded = (read_json(trained.folder / OPINIONS) or {}).get("log_odds", {})
    requests = [
        request
        for trace in traces
        if trace.trace_id in recorded
        and (request := _request(trace, pairs[trace.pair_id], images, pack, judge)) is not None
    ]
    if not requests:
        return None
    result = _compared(judge, recorded, _log_odds(backend, requests))
    result.check()
    if folder is not None:
        folder.folder.mkdir(parents=True, exist_ok=True)
        write_json(folder.folder / "served-check.json", asdict(result))
    return result


def _compared(judge: str, trained: Mapping[str, float], served: Mapping[str, float]) -> ServedCheck:
    """By the log odds of at least one probe."""
    decided = [key for key in served if abs(trained[key]) >= _DECIDED]
    same = sum((trained[key] > 0) == (served[key] > 0) for key in decided)
    return ServedCheck(
        judge=judge,
        probes=len(decided),
        agreement=same / len(decided) if decided else 1.0,
        mean_difference=sum(abs(trained[key] - served[key]) for key in served) / len(served),
    )


def _request(trace: Trace, pair: Pair, images: Mapping[str, Path], pack: PromptPack, judge: str) -> Request | None:
    request = ruling_request(
        pack,
        pair.comparison(images[pair.image_id]),
        trace.order,
        key=trace.trace_id,
        judge=judge,
        sampling=Sampling(max_tokens=1),
    )
    return ask_chance(request, trace.reasoning)


def _log_odds(backend: Backend, requests: Sequence[Request]) -> dict[str, float]:
    found = {}
    for completion in backend.generate([replace(request, n=1) for request in requests]):
        found[completion.key] = log_odds_of(completion)
    return found
