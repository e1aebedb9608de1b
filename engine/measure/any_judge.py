"""Measure any judge on any benchmark outside the loop: a stage like any other, resumable, its rows in the workspace.

    runs/<run>/iteration-00/benchmark-<what>/              items, images, and the scores of rules without a model
    runs/<run>/iteration-<n>/evaluate-<what>-<protocol>/   identity.json, verdicts, scores, done.json

Judges that no run made have such folders under measured/<judge>/ in place of runs/<run>/. The items are
made ready in `prepared.py`; what a protocol asks and how it counts is in the benchmark's own file, ours in
`own_protocols.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.backends.base import Backend, Completion, Request, Sampling
from engine.errors import UsageError
from engine.judging.asking import ruling_request, stored_text, verdict_of, verdict_row
from engine.judging.judges import JudgeRef
from engine.measure.benchmarks.protocol import PARTIAL, Protocol
from engine.measure.controls import wrong_image
from engine.measure.metrics import STRICT, score_rows
from engine.measure.own_protocols import OWN, known_protocol, most_items
from engine.measure.prepared import Prepared, home_of, notes, prepare, shortfalls
from engine.measure.text_only import TEXT_ONLY, text_only_verdicts
from engine.measure.wrong_image import wrong_image_verdicts
from engine.prompts import PromptPack, RulingPrompts, load_pack, protocol_prompts
from engine.records import (
    BenchmarkItem,
    Order,
    ScoreRow,
    VerdictRow,
    content_id,
    names_preferred,
    seed_for,
    version_number,
)
from engine.workspace.folders import StageFolder, Workspace
from engine.workspace.locks import writing_alone
from engine.workspace.parts import Parts

_PART_ROWS = 500
_PARTS = 20
"""Of one measurement, at least: what a kill costs is a twentieth of its replies, and readers open few files."""

Told = Callable[[int, int], None]
"""(replies there, replies wanted): called as they come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredJudge:
    """What came out for one judge under one protocol."""

    judge: str
    protocol: Protocol
    scores: list[ScoreRow]
    """Overall first; the judge under its full name."""
    items: int
    """That were asked about."""
    notes: tuple[str, ...]
    """What a reader must know: rows without a picture, repeats, known defects."""


def measure(
    backend: Backend,
    judge: JudgeRef,
    *,
    benchmark: str,
    protocol: str,
    workspace: Workspace,
    count: int | None = None,
    partial: bool = False,
    told: Told = lambda _there, _wanted: None,
) -> MeasuredJudge:
    """Ask what is missing, and score. A published protocol wants all items; on fewer only if `partial` says so.

    Raises `UsageError` for an unknown protocol or fewer items than it wants, `SourceError` for a benchmark that is
    not there, `LockedError` while another process measures the same.
    """
    if count is not None and count < 1:
        raise UsageError(f"--items: {count} is not a number of items. Use 1 or more, or leave it out.")
    chosen = known_protocol(protocol, benchmark)
    prepared = prepare(judge, benchmark, count=most_items(count, protocol), workspace=workspace)
    if not _is_whole(chosen, prepared) and not partial:
        raise UsageError(_refusal(chosen, prepared))
    scores = _measure(backend, judge, chosen, prepared, workspace, told)
    marked = [replace(row, judge=judge.label) for row in scores]
    return MeasuredJudge(
        judge=judge.label, protocol=chosen, scores=marked, items=len(prepared.items), notes=notes(prepared)
    )


def _is_whole(protocol: Protocol, prepared: Prepared) -> bool:
    """Whether a score is one of the protocol's name. Ours are defined on any items."""
    return protocol in OWN or not (prepared.left_out or prepared.cut_off)


def _refusal(protocol: Protocol, prepared: Prepared) -> str:
    found = " ".join(shortfalls(prepared))
    return (
        f"--protocol {protocol.name}: is defined on all items of {prepared.name}, here are {len(prepared.items):,} of "
        f"{prepared.rows:,}. {found}{' ' if found else ''}Add what is missing, or --partial to measure on these; the "
        "score will say so."
    )


# --- without the picture -------------------------------------------------------------------------------------------


def leak_scores(
    backend: Backend,
    judge: JudgeRef,
    *,
    benchmark: str,
    protocol: str,
    workspace: Workspace,
    count: int | None = None,
) -> list[ScoreRow]:
    """Scores of the controls `text-only` and `wrong-image` on the items that `measure` asks about under a protocol.

    The second one is asked once per judge and benchmark and stored as a stage of its own.
    """
    prepared = prepare(judge, benchmark, count=most_items(count, protocol), workspace=workspace)
    by_id = {item.item_id: item for item in prepared.items}
    texts = score_rows(TEXT_ONLY, prepared.items[0].benchmark, text_only_verdicts(prepared.items), by_id)
    number = (version_number(judge.version) or 0) if judge.run is not None else 0
    folder = home_of(judge, workspace).stage(number, f"evaluate-{prepared.slug}-wrong-image")
    pack = load_pack(judge.settings.prompt_pack)
    folder.begin(_identity(judge, OWN[0], pack, prepared))
    with writing_alone(folder):
        if folder.summary() is None:
            _show_other_pictures(backend, judge, prepared, pack, folder, workspace)
    return [*texts, *folder.read("scores", ScoreRow)]


def _show_other_pictures(
    backend: Backend, judge: JudgeRef, prepared: Prepared, pack: PromptPack, folder: StageFolder, workspace: Workspace
) -> None:
    """One call on few items: a try that was killed in it is asked anew."""
    measured, name = judge.settings.evaluate, wrong_image(_name(judge))
    if not folder.parts("verdicts"):
        said = wrong_image_verdicts(
            backend,
            prepared.items,
            {item.image_id: workspace.root / item.image for item in prepared.items},
            judge=judge.load_into(backend),
            name=name,
            pack=pack,
            max_tokens=measured.max_tokens,
            most=measured.control_items,
        )
        folder.write("verdicts", said)
    by_id = {item.item_id: item for item in prepared.items}
    verdicts = folder.read("verdicts", VerdictRow)
    folder.write_once("scores", score_rows(name, prepared.items[0].benchmark, verdicts, by_id))
    folder.finish({"judge": name, "replies": len(verdicts)})


# --- asking and counting -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """One reply that is wanted."""

    item: BenchmarkItem
    order: Order
    sample: int

    @property
    def key(self) -> str:
        return f"{self.item.item_id} {self.order} {self.sample}"


def _measure(
    backend: Backend, judge: JudgeRef, protocol: Protocol, prepared: Prepared, workspace: Workspace, told: Told
) -> list[ScoreRow]:
    seed = judge.settings.loop.seed
    several = protocol not in OWN
    wanted = [
        _Asked(item, order, number if several else 0)
        for item in prepared.items
        for number, order in enumerate(protocol.orders(item, seed))
    ]
    known = {} if several else _of_the_run(judge, prepared)
    if all(asked.key in known for asked in wanted):
        return _scored(judge, protocol, list(known.values()), prepared)
    folder = _folder(judge, protocol, prepared, workspace)
    prompts = _prompts_of(protocol, judge)
    folder.begin(_identity(judge, protocol, prompts, prepared))
    with writing_alone(folder):
        _ask_missing(backend, judge, protocol, prompts, folder, wanted, known, workspace, told)
        verdicts = [*known.values(), *_beside(known, folder)]
        if folder.summary() is None:
            _conclude(judge, protocol, verdicts, prepared, folder)
    return _scored(judge, protocol, verdicts, prepared)


def _beside(known: Mapping[str, VerdictRow], folder: StageFolder) -> list[VerdictRow]:
    """What was asked here and not by the run, which may have asked the same later."""
    return [row for row in folder.read("verdicts", VerdictRow) if _key(row) not in known]


def _conclude(
    judge: JudgeRef, protocol: Protocol, verdicts: Sequence[VerdictRow], prepared: Prepared, folder: StageFolder
) -> None:
    """Store the scores of every protocol that counts these verdicts, and that all is there."""
    both = OWN if protocol in OWN else (protocol,)
    folder.write_once("scores", [row for one in both for row in _scored(judge, one, verdicts, prepared)])
    folder.finish(
        {"judge": _name(judge), "protocol": protocol.name, "items": len(prepared.items), "replies": len(verdicts)}
    )


def _key(row: VerdictRow) -> str:
    return f"{row.item_id} {row.order} {row.sample}"


def _prompts_of(protocol: Protocol, judge: JudgeRef) -> PromptPack | RulingPrompts:
    if protocol.prompts is None:
        return load_pack(judge.settings.prompt_pack)
    return protocol_prompts(protocol.prompts) if isinstance(protocol.prompts, str) else protocol.prompts


def _scored(judge: JudgeRef, protocol: Protocol, verdicts: Sequence[VerdictRow], prepared: Prepared) -> list[ScoreRow]:
    """The verdicts counted, with what was left out; under the protocol's name only where they are on all its items."""
    items = {item.item_id: item for item in prepared.items}
    mark = "" if _is_whole(protocol, prepared) else PARTIAL
    counted = protocol.scores(_name(judge), verdicts, items)
    return [replace(row, protocol=row.protocol + mark, left_out=prepared.without_image) for row in counted]


def _folder(judge: JudgeRef, protocol: Protocol, prepared: Prepared, workspace: Workspace) -> StageFolder:
    number = (version_number(judge.version) or 0) if judge.run is not None else 0
    own = STRICT if protocol in OWN else protocol.name
    return home_of(judge, workspace).stage(number, f"evaluate-{prepared.slug}-{own}")


def _identity(
    judge: JudgeRef, protocol: Protocol, prompts: PromptPack | RulingPrompts, prepared: Prepared
) -> dict[str, Any]:
    """What the verdicts depend on."""
    return {
        "judge": _name(judge),
        "model.base": judge.settings.model.base,
        "model.revision": judge.settings.model.revision,
        "loop.seed": judge.settings.loop.seed,
        "prompts": prompts.name,
        "text of the prompts": content_id(prompts.judge, prompts.judge_system, prompts.number_sentences),
        "temperature": protocol.temperature,
        "top_p": protocol.top_p,
        "max_tokens": protocol.max_tokens or judge.settings.evaluate.max_tokens,
        "inputs": content_id(*sorted(item.item_id for item in prepared.items)),
    }


def _name(judge: JudgeRef) -> str:
    """As the run's own tables call it."""
    return judge.label if judge.run is None else judge.version


def _of_the_run(judge: JudgeRef, prepared: Prepared) -> dict[str, VerdictRow]:
    """What the run's own evaluation has asked this judge already, by key."""
    if judge.run is None:
        return {}
    wanted = {item.item_id for item in prepared.items}
    number = version_number(judge.version) or 0
    return {
        _key(row): row
        for row in judge.run.stage(number, "evaluate").read("verdicts", VerdictRow)
        if row.judge == judge.version and row.benchmark == prepared.name and row.item_id in wanted
    }


def _ask_missing(
    backend: Backend,
    judge: JudgeRef,
    protocol: Protocol,
    prompts: PromptPack | RulingPrompts,
    folder: StageFolder,
    wanted: Sequence[_Asked],
    known: Mapping[str, VerdictRow],
    workspace: Workspace,
    told: Told,
) -> None:
    """Ask for every reply that is neither known nor in a part. What came in is kept, whatever ends it."""
    folder.sweep()
    there = {_key(row) for row in folder.read("verdicts", VerdictRow)} | known.keys()
    missing = {asked.key: asked for asked in wanted if asked.key not in there}
    done = len(wanted) - len(missing)
    told(done, len(wanted))
    if not missing:
        return
    name = judge.load_into(backend)
    limit = protocol.max_tokens or judge.settings.evaluate.max_tokens
    sampling = Sampling(temperature=protocol.temperature, top_p=protocol.top_p, max_tokens=limit)
    requests = [
        _request(prompts, asked, name, sampling, workspace.root, judge.settings.loop.seed) for asked in missing.values()
    ]
    with Parts(folder, "verdicts", rows=max(1, min(_PART_ROWS, len(wanted) // _PARTS))) as parts:
        for there_now, reply in enumerate(backend.generate(requests), done + 1):
            parts.add([_row(_name(judge), protocol, missing[reply.key], reply)])
            told(there_now, len(wanted))


def _request(
    prompts: PromptPack | RulingPrompts, asked: _Asked, judge: str, sampling: Sampling, root: Path, seed: int
) -> Request:
    item = asked.item
    request = ruling_request(
        prompts,
        item.comparison(root / item.image, find=root.__truediv__),
        asked.order,
        key=asked.key,
        judge=judge,
        sampling=sampling,
    )
    return replace(request, seed=seed_for(seed, item.item_id, asked.order, asked.sample))


def _row(judge: str, protocol: Protocol, asked: _Asked, reply: Completion) -> VerdictRow:
    if reply.fault or protocol.prompts is None:
        verdict = verdict_of(reply)
        right = names_preferred(verdict, asked.order)
    else:
        verdict, right = protocol.read(reply.text, asked.order)
    row = verdict_row(judge, asked.item, asked.order, verdict, reasoning=stored_text(reply), tokens=reply.tokens)
    return replace(row, correct=right, sample=asked.sample, protocol=STRICT if protocol in OWN else protocol.name)
