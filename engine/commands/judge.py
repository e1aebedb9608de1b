"""Commands that use judge versions: rule on comparisons, measure on a benchmark."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

from engine.backends.base import Backend
from engine.errors import UsageError
from engine.judging.files import read_comparisons, rule_file
from engine.judging.judges import JudgeRef, resolve_judge, told_apart
from engine.judging.ruling import Ruling, rule
from engine.prompts import load_pack
from engine.workspace.folders import Workspace, open_workspace


def judge(options: Namespace) -> int:
    """Rule on one comparison given by options, or on every line of a file."""
    workspace = open_workspace(options.workspace)
    judges = _judges(options.judge, workspace)
    if options.file is not None:
        return _judge_file(options, judges, workspace)
    missing = [f"--{name}" for name in ("image", "question", "a", "b") if getattr(options, name) is None]
    if missing:
        raise UsageError(f"one comparison needs {', '.join(missing)}; many need a FILE.jsonl and --out.")
    if not options.image.is_file():
        raise UsageError(f"--image: no file at {options.image}.")
    with _opened(judges, workspace) as backend:
        rulings = [
            rule(
                backend,
                load_pack(ref.settings.prompt_pack),
                image=options.image,
                question=options.question,
                a=options.a,
                b=options.b,
                judge=ref.load_into(backend),
                max_tokens=ref.settings.judge.max_tokens,
            )
            for ref in judges
        ]
    named = [replace(ruling, judge=ref.label) for ruling, ref in zip(rulings, judges, strict=True)]
    if options.json:
        print(json.dumps([asdict(ruling) for ruling in named], indent=1, ensure_ascii=False))
    else:
        for ruling in named:
            print(_ruling_text(ruling))
    return 0


def _judge_file(options: Namespace, judges: list[JudgeRef], workspace: Workspace) -> int:
    if options.out is None:
        raise UsageError("a file of comparisons needs --out FILE.jsonl for the verdicts.")
    total = len(read_comparisons(options.file)) * len(judges)
    ruled = 0
    with _opened(judges, workspace) as backend:
        names = {ref.label: ref.load_into(backend) for ref in judges}
        pack, limit = load_pack(judges[0].settings.prompt_pack), judges[0].settings.judge.max_tokens
        for more in rule_file(backend, pack, options.file, options.out, judges=names, max_tokens=limit):
            ruled += more
            print(f"{ruled:,} of at most {total:,} ruled", file=sys.stderr)
    found = f"{ruled:,} new verdicts in {options.out}"
    print(json.dumps({"new": ruled, "comparisons": total, "out": str(options.out)}) if options.json else found)
    return 0


def evaluate(options: Namespace) -> int:
    """Measure judge versions on one benchmark, under one protocol, and print what was measured."""
    from engine.measure.any_judge import measure

    workspace = open_workspace(options.workspace)
    judges = _judges(options.judge, workspace)
    with _opened(judges, workspace) as backend:
        rows = [
            measure(
                backend,
                ref,
                benchmark=options.benchmark,
                protocol=options.protocol,
                count=options.items,
                workspace=workspace,
            )
            for ref in judges
        ]
    if options.json:
        print(json.dumps([[asdict(row) for row in one] for one in rows], indent=1))
        return 0
    for one in rows:
        for row in one:
            interval = f"({row.low:.3f} to {row.high:.3f})"
            print(f"{row.judge:<32} {row.protocol:<20} {row.dimension:<24} n={row.n:<6} {row.accuracy:.3f} {interval}")
    return 0


def _judges(names: list[str] | None, workspace: Workspace) -> list[JudgeRef]:
    """The judges that are meant: those named, else the best of the newest run, else the embedded base model.

    Raises `UsageError` if they do not share one base model: a process holds one.
    """
    if not names:
        runs = workspace.runs()
        names = [f"{runs[0].name}/best" if runs else "shapes-vlm"]
    found = [resolve_judge(name, workspace) for name in names]
    first = found[0].settings.model
    for ref in found[1:]:
        if ref.settings.model != first:
            raise UsageError(
                f"--judge: {found[0].label} stands on {first.base}, {ref.label} on {ref.settings.model.base}. "
                "Ask judges of different base models in separate calls."
            )
    return told_apart(found)


@contextmanager
def _opened(judges: list[JudgeRef], workspace: Workspace) -> Iterator[Backend]:
    """The backend of the judges' base model, closed at the end."""
    from engine.backends import open_backend

    backend = open_backend(
        judges[0].settings.model,
        workspace=workspace.root,
        rank=max(judge.settings.train.rank for judge in judges),
    )
    try:
        yield backend
    finally:
        backend.close()


def _ruling_text(ruling: Ruling) -> str:
    sure = "" if ruling.confidence is None else f", confidence {ruling.confidence:.2f}"
    meaning = {"order-flip": "the two orders disagree", "invalid": "a reply stated no single verdict"}
    words = meaning.get(ruling.verdict, f"{ruling.verdict} is better" if ruling.verdict in "AB" else "a tie")
    lines = [f"{ruling.judge}: {words}{sure}"]
    for order in ruling.orders:
        shown = "A shown first" if order.order == "AB" else "B shown first"
        lines.append(f"  {shown}: {order.verdict}\n    {' '.join(order.reasoning.split())}")
    return "\n".join(lines)
