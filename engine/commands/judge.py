"""Commands that use judge versions: rule on comparisons, measure on a benchmark."""

import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands.runs import overrides_from
from engine.commands.terminal import print_json
from engine.config import flat, load_settings
from engine.errors import UsageError
from engine.judging.claims import share_out
from engine.judging.files import read_comparisons, rule_file
from engine.judging.judges import JudgeRef, judges_together, opened
from engine.judging.ruling import Ruling, rule
from engine.paths import expanded, file_to_write
from engine.prompts import load_pack
from engine.records import Comparison, ScoreRow
from engine.sources.pictures.store import store_image
from engine.sources.pictures.upright import ImageRefused, limits_of
from engine.text import without_halves
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.locks import device_lock

if TYPE_CHECKING:
    from engine.measure.any_judge import MeasuredJudge


def judge(options: Namespace) -> int:
    """Rule on one comparison given by options, or on every line of a file."""
    workspace = open_workspace(options.workspace)
    words = list(options.settings)
    if options.file is not None and str(options.file).startswith("model.") and "=" in str(options.file):
        words, options.file = [str(options.file), *words], None  # the first word is a setting, and no file was given
    judges = [_reached(one, words) for one in judges_together(options.judge, workspace)]
    if options.file is not None:
        return _judge_file(options, judges, workspace)
    missing = [f"--{name}" for name in ("image", "question", "a", "b") if getattr(options, name) is None]
    if missing:
        raise UsageError(f"one comparison needs {', '.join(missing)}; many need a FILE.jsonl and --out.")
    asked = Comparison(
        image=None,
        question=without_halves(options.question),
        preferred=without_halves(options.a),
        degraded=without_halves(options.b),
    )
    with _shown(options.image, judges[0]) as (first, *more), _device(judges[0]), opened(judges, workspace) as backend:
        rulings = [
            rule(
                backend,
                load_pack(ref.settings.prompt_pack),
                replace(asked, image=first, more_images=tuple(more)),
                judge=ref.load_into(backend),
                max_tokens=ref.settings.judge.max_tokens,
            )
            for ref in judges
        ]
    named = [replace(ruling, judge=ref.label) for ruling, ref in zip(rulings, judges, strict=True)]
    if options.json:
        print_json([asdict(ruling) for ruling in named])
    else:
        for ruling in named:
            print(_ruling_text(ruling))
    return 0


def _judge_file(options: Namespace, judges: list[JudgeRef], workspace: Workspace) -> int:
    if options.out is None:
        raise UsageError("a file of comparisons needs --out FILE.jsonl for the verdicts.")
    count = len(read_comparisons(options.file))
    total = count * len(judges)
    shared = str(options.out) != "." and expanded(options.out).is_dir()  # "." is what an empty word becomes
    out = expanded(options.out) if shared else file_to_write(options.out)
    ruled = 0
    with _device(judges[0]), opened(judges, workspace) as backend:
        names = {ref.label: ref.load_into(backend) for ref in judges}
        settings = judges[0].settings
        rule_part = partial(
            rule_file,
            backend,
            load_pack(settings.prompt_pack),
            options.file,
            judges=names,
            max_tokens=settings.judge.max_tokens,
            limits=limits_of(settings.source),
        )
        for more in share_out(out, count, lambda rows, only: rule_part(rows, only=only)) if shared else rule_part(out):
            ruled += more
            print(f"{ruled:,} of at most {total:,} ruled", file=sys.stderr)
    found = f"{ruled:,} new verdicts in {options.out}"
    if options.json:
        print_json({"new": ruled, "comparisons": total, "out": str(options.out)})
    else:
        print(found)
    return 0


def evaluate(options: Namespace) -> int:
    """Measure judge versions on one benchmark, under one protocol or all it has, and print what was measured."""
    from engine.measure.any_judge import leak_scores, measure
    from engine.measure.own_protocols import known_protocols

    workspace = open_workspace(options.workspace)
    judges = [_reached(one, options.settings) for one in judges_together(options.judge, workspace)]
    names = list(known_protocols(options.benchmark)) if options.protocol == "all" else [options.protocol]
    with _device(judges[0]), opened(judges, workspace) as backend:
        asked: dict[str, Any] = {"benchmark": options.benchmark, "count": options.items, "workspace": workspace}
        measured = [
            measure(backend, judge, protocol=name, partial=options.partial, told=_teller(judge.label, name), **asked)
            for judge in judges
            for name in names
        ]
        blind = [] if options.no_controls else judges
        controls = [leak_scores(backend, judge, protocol=names[0], **asked) for judge in blind]
    _print_measured(measured, controls, benchmark=options.benchmark, as_json=options.json)
    return 0


def _print_measured(
    measured: "Sequence[MeasuredJudge]", controls: Sequence[list[ScoreRow]], *, benchmark: str, as_json: bool
) -> None:
    """What was measured on stdout; what was left out of it also on stderr."""
    from engine.measure.benchmarks import benchmark_name
    from engine.measure.leaks import findings
    from engine.measure.protocol_table import measured_lines

    for note in dict.fromkeys(note for one in measured for note in one.notes if "left out" in note):
        print(f"{benchmark}: {note}", file=sys.stderr)
    if as_json:
        print_json([[asdict(row) for row in rows] for rows in (*(one.scores for one in measured), *controls)])
        return
    print("\n".join(measured_lines(measured, benchmark_name(benchmark))))
    said = dict.fromkeys(found.sentence for rows in controls for found in findings(rows))
    if said:
        print("\n".join(["", "Without the right picture:", *(f"  {sentence}" for sentence in said)]))


def _teller(judge: str, protocol: str) -> Callable[[int, int], None]:
    """One line on stderr per twentieth of the way."""
    last = -1

    def tell(there: int, wanted: int) -> None:
        nonlocal last
        step = 20 * there // max(wanted, 1)
        if step != last:
            last = step
            print(f"{judge}, {protocol}: {there:,} of {wanted:,} replies", file=sys.stderr)

    return tell


def _reached(judge: JudgeRef, words: Sequence[str]) -> JudgeRef:
    """The judge behind other settings of its model. Raises `UsageError` for settings of anything else."""
    values = overrides_from(words)
    for key in values:
        if not key.startswith("model.") or key == "model.base":
            raise UsageError(f"'{key}': only model.* can be set here, and not model.base; the rest is the judge's own.")
    if "model.url" in values:
        values = {"model.backend": "openai", **values}
    return replace(judge, settings=load_settings(overrides={**flat(judge.settings), **values}))


@contextmanager
def _device(judge: JudgeRef) -> Iterator[None]:
    """A GPU is had alone: a run on it is waited for."""
    from engine.runs.models import device_of

    with ExitStack() as held:
        if device_of(judge.settings) == "cuda":
            held.enter_context(device_lock("cuda", "judge-studio judge", waiting=_tell_waiting))
        yield


def _tell_waiting(holder: str) -> None:
    print(f"Waiting for the GPU: {holder} is using it", file=sys.stderr, flush=True)


@contextmanager
def _shown(images: list[Path], judge: JudgeRef) -> Iterator[list[Path]]:
    """The pictures as a run of the judge would have stored them. Raises `UsageError` for what is none."""
    files = [expanded(image) for image in images]
    for image in files:
        if not image.is_file():
            raise UsageError(f"--image: no file at {image}.")
    with tempfile.TemporaryDirectory(prefix="judge-studio-") as scratch:
        shown = []
        for image in files:
            try:
                row = store_image(Path(scratch), image, limits=limits_of(judge.settings.source))
            except ImageRefused as refusal:
                raise UsageError(f"--image {image}: {refusal}. Name a PNG, JPEG or WebP file.") from None
            shown.append(Path(scratch) / row.path)
        yield shown


def _ruling_text(ruling: Ruling) -> str:
    sure = "" if ruling.confidence is None else f", confidence {ruling.confidence:.2f}"
    meaning = {"order-flip": "the two orders disagree", "invalid": "a reply stated no single verdict"}
    words = meaning.get(ruling.verdict, f"{ruling.verdict} is better" if ruling.verdict in "AB" else "a tie")
    lines = [f"{ruling.judge}: {words}{sure}"]
    for order in ruling.orders:
        shown = "A shown first" if order.order == "AB" else "B shown first"
        lines.append(f"  {shown}: {order.verdict}\n    {' '.join(order.reasoning.split())}")
    return "\n".join(lines)
