"""A finished run written by hand: two iterations, real images, real tiny adapters, known numbers. No model runs."""

from pathlib import Path

from engine.config import load_settings
from engine.measure.metrics import score_rows
from engine.records import (
    ORDERS,
    BenchmarkItem,
    ImageRow,
    Instruction,
    Pair,
    Step,
    Trace,
    VerdictRow,
    VersionRow,
    content_id,
    names_preferred,
)
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.run_record import create_run
from engine.workspace.state import RunState, write_state
from tests.tiny_models import save_scenes, save_tiny_adapter

NASTY = '<script>alert("x")</script> | [[A]] <image> </s>'
"""What a model may write."""


def made_run(folder: Path, base: Path, *, name: str = "made", nasty: str = NASTY) -> RunFolder:
    """The run `name` in a new workspace at `folder`, on the model in `base`."""
    run = open_workspace(folder).run(name)
    create_run(run, load_settings(preset="shapes", overrides={"model.base": str(base), "model.prompts": "shapes"}))
    images = _take_in(run)
    for number in (1, 2):
        _iterate(run, number, images, base, nasty)
    for number in (0, 1, 2):
        _measure(run, number)
    write_state(run, RunState(run=name, state="done", best="judge-v1", started_at=1.0, seconds=321.0, iterations=2))
    return run


def _take_in(run: RunFolder) -> list[str]:
    root = run.workspace.root
    rows = []
    for number, scene in enumerate(save_scenes(root / "scratch", 4)):
        image_id = content_id(number) * 4
        path = Path("images") / image_id[:2] / f"{image_id}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        scene.replace(root / path)
        rows.append(
            ImageRow(image_id=image_id, path=str(path), width=48, height=48, source="drawn", name=f"{number}.png")
        )
    folder = run.intake()
    folder.begin({"stage": "intake"})
    folder.write("images", rows)
    folder.write(
        "instructions",
        [
            Instruction(
                instruction_id=f"i{number}", image_id=row.image_id, question="How many?", kind="closed",
                answer_type="number", dimension="count", choices=(), answer=None, split="train",
            )
            for number, row in enumerate(rows)
        ],
    )  # fmt: skip
    folder.finish({"images": len(rows)})
    return [row.image_id for row in rows]


def _iterate(run: RunFolder, number: int, images: list[str], base: Path, nasty: str) -> None:
    pairs = [
        Pair(
            pair_id=f"p{number}-{place}", instruction_id=f"i{place}", image_id=image_id, question=f"How many? {nasty}",
            kind="closed", strategy="majority", dimension="count", preferred=f"Three. {nasty}", degraded="Four.",
            votes='{"3": 12, "4": 4}', altered=None, writer=f"judge-v{number - 1}",
            dropped="no-majority" if place == 3 else None,
        )
        for place, image_id in enumerate(images)
    ]  # fmt: skip
    traces = [
        Trace(
            trace_id=f"t{pair.pair_id}-{order}-{sample}", pair_id=pair.pair_id, image_id=pair.image_id,
            dimension="count", judge=f"judge-v{number - 1}", order=order, sample=sample,
            reasoning=f"I see three. {nasty}" if sample == 0 else "At a glance.",
            verdict=order[0] if sample == 0 else "B" if order == "AB" else "A", tokens=9, kept=sample == 0,
            reason="kept" if sample == 0 else "wrong",
        )
        for pair in pairs if pair.dropped is None for order in ORDERS for sample in (0, 1)
    ]  # fmt: skip
    _stage(run, number, "synthesize", {"pairs": pairs}, {"pairs": len(pairs), "usable": 3})
    _stage(run, number, "judge", {"traces": traces}, {"traces": len(traces)})
    _stage(run, number, "select", {"traces": traces}, {"traces": len(traces), "kept": len(traces) // 2,
                                                      "reasons": {"kept": 6, "wrong": 6}})  # fmt: skip
    save_tiny_adapter(base, run.adapter(number), seed=number)
    version = VersionRow(
        judge=f"judge-v{number}", parent=f"judge-v{number - 1}", trained_on=6,
        adapter=str(run.adapter(number).relative_to(run.workspace.root)),
    )  # fmt: skip
    steps = [
        Step(step=step, epoch=step / 10, loss=2.0 / step, learning_rate=1e-3, token_accuracy=0.5, tokens=100 * step)
        for step in range(1, 11)
    ]
    _stage(run, number, "train", {"versions": [version], "steps": steps},
           {"judge": version.judge, "parent": version.parent, "trained_on": 6, "start": "previous"})  # fmt: skip


def _measure(run: RunFolder, number: int) -> None:
    """judge-v0 always says A; judge-v1 is right on 18 of 30 items, judge-v2 on 17."""
    right = {0: 0, 1: 18, 2: 17}[number]
    items = [
        BenchmarkItem(
            item_id=f"b{place}", benchmark="shapes", image_id=f"m{place}", image="", question="How many?",
            preferred="Three.", degraded="Four.", kind="open" if place % 2 else "closed", dimension="count",
        )
        for place in range(30)
    ]  # fmt: skip
    verdicts = [
        VerdictRow(
            judge=f"judge-v{number}", benchmark="shapes", item_id=item.item_id, image_id=item.image_id,
            kind=item.kind, dimension=item.dimension, order=order, verdict=verdict,
            correct=names_preferred(verdict, order), reasoning="[[A]]", tokens=3,
        )
        for place, item in enumerate(items) for order in ORDERS
        for verdict in ("A" if place >= right or order == "AB" else "B",)
    ]  # fmt: skip
    scores = score_rows(f"judge-v{number}", "shapes", verdicts, {item.item_id: item for item in items})
    gain = None if number == 0 else 0.6 if number == 1 else -1 / 30
    _stage(run, number, "evaluate", {"verdicts": verdicts, "scores": scores}, {
        "judge": f"judge-v{number}", "parent": f"judge-v{number - 1}" if number else None, "benchmark": "shapes",
        "accuracy": right / 30, "gain": gain, "gain_low": None if gain is None else gain - 0.1,
        "gain_high": None if gain is None else gain + 0.1, "p": None if gain is None else 0.01, "n": 30,
    })  # fmt: skip


def _stage(run: RunFolder, number: int, stage: str, tables: dict, summary: dict) -> None:
    folder = run.stage(number, stage)
    folder.begin({"stage": stage, "iteration": number})
    for table, rows in tables.items():
        folder.write(table, rows)
    folder.finish(summary)
