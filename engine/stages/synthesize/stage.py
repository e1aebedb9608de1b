"""Stage 1: every instruction becomes one pair, or one row that says why not. Responses are the writer's own.

synthesize/  identity.json  pairs-00000.parquet …  done.json, and with `even_answers` drafted/pairs-00000.parquet …
"""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from engine.backends.base import Backend, Completion
from engine.config import Settings
from engine.errors import BackendError, SettingsError
from engine.prompts import PromptPack
from engine.records import BASE_JUDGE, Instruction, Pair
from engine.stages.bench import Bench
from engine.stages.own_pairs import look_at_texts
from engine.stages.synthesize.drafts import Desk, Draft, draft
from engine.stages.synthesize.even import evened
from engine.workspace.conclusions import Synthesized
from engine.workspace.folders import StageFolder
from engine.workspace.parts import Parts
from engine.workspace.progress import Progress

_ROWS_PER_PART = 256
_DRAFTS_PER_CALL = 512
"""Enough to fill any batch several times over; a kill loses at most the unfinished drafts among them."""


def synthesize(bench: Bench, instructions: Sequence[Instruction]) -> Synthesized:
    """Write the table `pairs`, one row per instruction, and return what is also in done.json.

    What is on disk already is not asked for again; a resumed run ends with the rows of an uninterrupted one.
    Raises `SettingsError` for a dimension the pack does not have, `StopRequested` after writing what is finished.
    """
    if (done := bench.folder("synthesize").conclusion(Synthesized)) is not None:
        return done
    check_settings(bench.settings, bench.pack)
    wanted = {one.instruction_id: one for one in instructions}
    folder = bench.begin("synthesize", inputs=wanted, writer=_writer(bench))
    if bench.settings.synthesize.even_answers:
        drafted = _drafted(folder)
        _write_missing(bench, drafted, wanted)
        if not folder.parts("pairs"):
            folder.write("pairs", evened(drafted.read("pairs", Pair), wanted, bench.pack))
    else:
        _write_missing(bench, folder, wanted)
    pairs = folder.read("pairs", Pair)
    concluded = summarize(pairs)
    if bench.iteration > 0:  # those of iteration 0 are a benchmark, which is looked at when it is measured
        concluded = replace(concluded, leaks=look_at_texts(folder, pairs, bench.progress))
    folder.finish(asdict(concluded))
    return concluded


def _writer(bench: Bench) -> str:
    """Who writes the responses; the pairs of the baseline, which versions are measured on, are the base model's."""
    follows = bench.settings.synthesize.writer == "previous" and bench.iteration > 0
    return bench.parent if follows else BASE_JUDGE


def _drafted(folder: StageFolder) -> StageFolder:
    """Where pairs wait until all are there: only then it is known which answers usually win."""
    apart = replace(folder, folder=folder.folder / "drafted")
    apart.folder.mkdir(exist_ok=True)
    apart.sweep()
    return apart


def _write_missing(bench: Bench, folder: StageFolder, wanted: Mapping[str, Instruction]) -> None:
    """Make the pairs of the instructions that no part holds yet."""
    writer, asked, progress = _writer(bench), bench.settings.synthesize, bench.progress
    backend = bench.models(writer)
    finished = {pair.instruction_id for pair in folder.read("pairs", Pair)}
    progress.begin(
        "synthesize", total=len(wanted), unit="instructions", message=f"{writer} writes pairs", done=len(finished)
    )
    desk = Desk(
        settings=asked,
        pack=bench.pack,
        dimensions=asked.dimensions or tuple(bench.pack.alteration.dimensions),
        images=bench.images,
        writer=writer,
        iteration=bench.iteration,
        seed=bench.settings.loop.seed,
    )
    drafts = [draft(desk, one) for key, one in wanted.items() if key not in finished]
    with Parts(folder, "pairs", rows=_ROWS_PER_PART) as parts:
        for pair in finish_drafts(drafts, backend, progress):
            parts.add([pair])
            progress.advance()


def check_settings(settings: Settings, pack: PromptPack) -> None:
    """Raises `SettingsError` if no pair could come of these settings; cheap enough to ask before a run starts."""
    asked = settings.synthesize
    known = tuple(pack.alteration.dimensions)
    for dimension in asked.dimensions:
        if dimension not in known:
            raise SettingsError(
                f"synthesize.dimensions: prompt pack '{pack.name}' cannot alter '{dimension}'. "
                f"Use some of {', '.join(known)}."
            )
    if asked.strategy == "majority" and asked.min_votes >= asked.samples:
        raise SettingsError(
            f"synthesize.min_votes: {asked.min_votes} of {asked.samples} samples leaves none for another answer. "
            "Use fewer votes or more samples."
        )


def finish_drafts(drafts: Iterable[Draft], backend: Backend, progress: Progress) -> Iterator[Pair]:
    """Every draft's pair as it is finished.

    Second and third questions of some drafts travel with the first ones of others, so that calls stay full.
    """
    fresh = deque(drafts)
    due: list[Draft] = []
    while fresh or due:
        while fresh and len(due) < _DRAFTS_PER_CALL:
            due.append(fresh.popleft())
        asked = {one.instruction.instruction_id: one for one in due}
        due = []
        for key, replies in whole_requests(asked, backend, progress):
            pair = asked[key].take(replies)
            if pair is None:
                due.append(asked[key])
            else:
                yield pair


def whole_requests(
    drafts: Mapping[str, Draft], backend: Backend, progress: Progress
) -> Iterator[tuple[str, list[Completion]]]:
    """Ask for all drafts in one call; yield each one's samples, in order, once the last of them is there."""
    requests = {key: one.request() for key, one in drafts.items()}
    waiting: dict[str, list[Completion]] = {key: [] for key in requests}
    for completion in backend.generate(list(requests.values())):
        progress.check_stop()
        replies = waiting[completion.key]
        replies.append(completion)
        if len(replies) == requests[completion.key].n:
            del waiting[completion.key]
            yield completion.key, sorted(replies, key=lambda reply: reply.sample)
    if waiting:
        raise BackendError(
            f"synthesize: the model left {len(waiting)} of {len(requests)} requests unanswered. Resume the run."
        )


def summarize(pairs: Sequence[Pair]) -> Synthesized:
    """How the pairs came out."""
    usable = [pair for pair in pairs if pair.dropped is None]
    kinds = Counter(pair.kind for pair in pairs)
    kept_kinds = Counter(pair.kind for pair in usable)
    longer = sum(len(pair.degraded) > len(pair.preferred) for pair in usable)
    shorter = sum(len(pair.degraded) < len(pair.preferred) for pair in usable)
    shares = [_top_share(pair.votes) for pair in usable if pair.votes]
    return Synthesized(
        instructions=len(pairs),
        pairs=len(usable),
        usable_share=_share(len(usable), len(pairs)),
        kinds={kind: {"instructions": kinds[kind], "pairs": kept_kinds[kind]} for kind in sorted(kinds)},
        dimensions=_counts(pair.dimension for pair in usable),
        dropped=_counts(pair.dropped for pair in pairs if pair.dropped is not None),
        agreement=round(sum(shares) / len(shares), 4) if shares else None,
        degraded_longer=_share(longer, len(usable)),
        degraded_shorter=_share(shorter, len(usable)),
    )


def _top_share(votes: str) -> float:
    counts = json.loads(votes)
    return float(max(counts.values()) / sum(counts.values()))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _counts(values: Iterable[str]) -> dict[str, int]:
    """Most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda entry: (-entry[1], entry[0])))
