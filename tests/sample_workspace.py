"""A small workspace with one finished iteration and one at work, written by the engine's own writers.

Four open and four closed pairs per iteration, two samples per order; every fate and reason code occurs.
"""

import json
from pathlib import Path

import yaml

from engine.config import parse_settings, settings_as_dict
from engine.records import (
    ORDERS,
    BenchmarkItem,
    ImageRow,
    Instruction,
    Pair,
    PairFate,
    ScoreRow,
    Skipped,
    Step,
    Trace,
    VerdictRow,
    VersionRow,
    content_id,
)
from engine.workspace.folders import RunFolder, Workspace, open_workspace
from engine.workspace.state import RunState, write_state

HOSTILE = "<script>alert(1)</script> **bold** ‮abc 🟢 " + "w" * 300
FATES = ("kept", "kept", "wrong", "order-flip", "invalid", "unbalanced", "capped", "kept")
DIMENSIONS = ("attribute", "count", "position", "existence")


def image_id(number: int) -> str:
    return content_id("image", number) * 4


def make_run(workspace: Workspace, name: str = "shapes-01", *, iterations: int = 2) -> RunFolder:
    """A run whose last iteration has pairs and judge's traces only; earlier ones are complete."""
    run = workspace.run(name)
    run.folder.mkdir(parents=True)
    record = {
        "settings": settings_as_dict(parse_settings({}, where="test")),
        "libraries": {},
        "model_fingerprint": None,
    }
    run.config.write_text(yaml.safe_dump(record, sort_keys=False), encoding="utf-8")
    write_state(
        run, RunState(run=name, state="stopped", stage="judge", iteration=iterations, iterations=4, best="judge-v1",
                      started_at=1_790_000_000.0, seconds=125.25),
    )  # fmt: skip
    write_intake(run)
    write_scores(run, 0)
    for iteration in range(1, iterations + 1):
        write_pairs(run, iteration)
        write_traces(run, iteration)
        if iteration < iterations:
            write_selection(run, iteration)
            write_training(run, iteration)
            write_scores(run, iteration)
    return run


def make_workspace(root: Path) -> Workspace:
    workspace = open_workspace(root)
    make_run(workspace)
    return workspace


def write_intake(run: RunFolder) -> None:
    from PIL import Image

    images = []
    for number in range(4):
        key = image_id(number)
        path = run.workspace.images / key[:2] / f"{key}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (48, 48), (40 * number, 120, 200)).save(path)
        images.append(
            ImageRow(image_id=key, path=str(path.relative_to(run.workspace.root)), width=48, height=48,
                     source="drawn scenes", name=HOSTILE if number == 0 else f"scene-{number}.png")
        )  # fmt: skip
    folder = run.intake()
    folder.begin({"source": "test"})
    folder.write("images", images)
    folder.write("skipped", [Skipped(name="broken.png", reason="the file is empty (0 bytes)")])
    folder.write(
        "instructions",
        [
            Instruction(instruction_id=content_id("instruction", number), image_id=image_id(number % 4),
                        question=question(number), kind=kind(number), answer_type=None if number % 2 else "number",
                        dimension="count", choices=(), answer=None, split="train")
            for number in range(8)
        ],
    )  # fmt: skip
    folder.finish({"images": 4})


def kind(number: int) -> str:
    return "open" if number % 2 else "closed"


def question(number: int) -> str:
    return HOSTILE if number == 3 else f"What is number {number}?"


def pair_id(iteration: int, number: int) -> str:
    return content_id("pair", iteration, number)


def make_pair(iteration: int, number: int, *, dropped: str | None = None) -> Pair:
    is_open = kind(number) == "open"
    return Pair(
        pair_id=pair_id(iteration, number),
        instruction_id=content_id("instruction", number),
        image_id=image_id(number % 4),
        question=question(number),
        kind=kind(number),  # type: ignore[arg-type]
        strategy="alteration" if is_open else "majority",
        dimension=DIMENSIONS[number % 4],
        preferred="" if dropped == "no-majority" else f"There is a blue star. It is item {number}.",
        degraded="" if dropped == "no-majority" else f"There is a green star. It is item {number}.",
        votes=None if is_open else json.dumps({"three": 9, "four": 5, "six": 2}),
        altered="blue to green" if is_open else None,
        writer=f"judge-v{iteration - 1}",
        dropped=dropped,
    )


def write_pairs(run: RunFolder, iteration: int) -> None:
    """Two parts of four usable pairs, then one of two dropped ones."""
    folder = run.stage(iteration, "synthesize")
    folder.begin({"iteration": iteration})
    folder.write("pairs", [make_pair(iteration, number) for number in range(4)])
    folder.write("pairs", [make_pair(iteration, number) for number in range(4, 8)])
    folder.write(
        "pairs",
        [make_pair(iteration, 8, dropped="no-majority"), make_pair(iteration, 9, dropped="same")],
    )
    folder.finish({"pairs": 8})


def make_traces(iteration: int, number: int, *, selected: bool) -> list[Trace]:
    """Two samples in both orders; the fate of the pair's number."""
    pair, fate = make_pair(iteration, number), FATES[number]
    traces = []
    for sample in range(2):
        for order in ORDERS:
            right = "A" if order == "AB" else "B"
            wrong = "B" if order == "AB" else "A"
            verdict = {"wrong": wrong, "order-flip": "A", "invalid": "invalid" if order == "BA" else right}.get(
                fate, right
            )
            token = "[[A]] [[B]]" if verdict == "invalid" else f"[[{verdict}]]"
            traces.append(
                Trace(
                    trace_id=content_id(pair.pair_id, order, sample),
                    pair_id=pair.pair_id,
                    image_id=pair.image_id,
                    dimension=pair.dimension,
                    judge=f"judge-v{iteration - 1}",
                    order=order,
                    sample=sample,
                    reasoning=f"I see a star. A agrees.\nVerdict: {token}",
                    verdict=verdict,  # type: ignore[arg-type]
                    tokens=20 + number,
                    kept=fate == "kept" if selected else None,
                    reason=("agrees" if fate == "kept" else fate) if selected else None,
                )
            )
    return traces


def write_traces(run: RunFolder, iteration: int) -> None:
    folder = run.stage(iteration, "judge")
    folder.begin({"iteration": iteration})
    for start in (0, 4):
        folder.write("traces", [t for n in range(start, start + 4) for t in make_traces(iteration, n, selected=False)])
    folder.finish({"traces": 32})


def write_selection(run: RunFolder, iteration: int) -> None:
    folder = run.stage(iteration, "select")
    folder.begin({"iteration": iteration})
    folder.write("traces", [t for n in range(8) for t in make_traces(iteration, n, selected=True)])
    folder.write(
        "fates",
        [
            PairFate(pair_id=pair_id(iteration, n), kept_traces=4 if FATES[n] == "kept" else 0, traces=4, fate=FATES[n])
            for n in range(8)
        ],
    )
    folder.finish({"kept": 12})


def write_training(run: RunFolder, iteration: int) -> None:
    folder = run.stage(iteration, "train")
    folder.begin({"iteration": iteration})
    folder.write(
        "steps",
        [
            Step(step=n, epoch=n / 3, loss=1.0 / n, learning_rate=1e-4, token_accuracy=0.5 + n / 10, tokens=100 * n)
            for n in range(1, 4)
        ],
    )
    folder.write(
        "versions",
        [
            VersionRow(judge=f"judge-v{iteration}", parent=f"judge-v{iteration - 1}",
                       adapter=f"runs/{run.name}/iteration-{iteration:02d}/train/adapter", trained_on=12)
        ],
    )  # fmt: skip
    folder.finish({"steps": 3})


def write_scores(run: RunFolder, iteration: int) -> None:
    """judge-v1 gains on item 1 and loses item 2 against judge-v0."""
    judge = f"judge-v{iteration}"
    folder = run.stage(iteration, "evaluate")
    folder.begin({"judge": judge})
    if iteration == 0:
        folder.write("versions", [VersionRow(judge="judge-v0", parent=None, adapter=None, trained_on=0)])
        folder.write(
            "items",
            [
                BenchmarkItem(item_id=f"item-{n}", benchmark="held-out", image_id=image_id(n), image=f"images/{n}.png",
                              question=f"Held-out question {n}?", preferred="good", degraded="bad", kind="open",
                              dimension=DIMENSIONS[n])
                for n in range(4)
            ],
        )  # fmt: skip
    right = {0: {0, 2}, 1: {0, 1}}.get(iteration, {0, 1, 2})
    folder.write(
        "verdicts",
        [
            VerdictRow(judge=judge, benchmark="held-out", item_id=f"item-{n}", image_id=image_id(n), kind="open",
                       dimension=DIMENSIONS[n], order=order,
                       verdict="A" if (n in right) == (order == "AB") else "B",
                       correct=n in right, reasoning=f"item {n} [[A]]", tokens=9)
            for n in range(4)
            for order in ORDERS
        ],
    )  # fmt: skip
    folder.write(
        "scores",
        [
            ScoreRow(judge=name, benchmark="held-out", protocol="strict", dimension="all", n=4, accuracy=0.5,
                     low=0.3, high=0.7, invalid=0.0, position_lean=0.1, length_lean=None)
            for name in (judge, *(("control:shorter-wins",) if iteration == 0 else ()))
        ],
    )  # fmt: skip
    folder.finish({"judge": judge})
