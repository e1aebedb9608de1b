"""A run's pairs and traces as Hugging Face datasets that TRL takes as they are: Parquet with images inside, and JSONL.

sft               images, prompt, completion        kept traces: trains a judge (SFTTrainer)
judge-preference  images, prompt, chosen, rejected  kept against wrong traces of one prompt (DPOTrainer)
preference        images, prompt, chosen, rejected  the pairs themselves: trains a model that answers (DPOTrainer)
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.backends.served.openai import LOOKS_SPECIAL
from engine.config import Settings
from engine.errors import WorkspaceError
from engine.export.hub_cards import front_matter, one_line
from engine.export.judge import new_folder
from engine.prompts import PromptPack, judge_messages, load_pack
from engine.records import ImageRow, Order, Pair, Trace, in_order
from engine.workspace.folders import RunFolder
from engine.workspace.run_record import run_settings

CONFIGS = ("sft", "judge-preference", "preference")
_SHARD_ROWS = 2000
"""Rows per Parquet file: with images inside, some hundred MB for photographs."""
Row = dict[str, Any]


def export_data(run: RunFolder, folder: Path) -> dict[str, int]:
    """Write the datasets of `run` to the new folder `folder`; rows per configuration.

    Held-out images never appear: their pairs belong to iteration 0. Raises `WorkspaceError` if there is nothing yet.
    """
    settings = run_settings(run)
    rows = _all_rows(run, load_pack(settings.prompt_pack))
    counts = {config: len(rows[config]) for config in CONFIGS}
    if not any(counts.values()):
        raise WorkspaceError(f"run '{run.name}': it has no pairs to export yet. Let it finish an iteration.")
    paths = _image_paths(run)
    with new_folder(folder) as made:
        used = sorted({row["image_id"] for config in CONFIGS for row in rows[config]})
        names = _copy_images([paths[image_id] for image_id in used], made / "images")
        for config in CONFIGS:
            _write_jsonl(made / f"{config}.jsonl", rows[config], paths, names)
            _write_parquet(made / "data", config, rows[config], paths)
        (made / "README.md").write_text(_card(run, settings, counts), encoding="utf-8")
    return counts


def _all_rows(run: RunFolder, pack: PromptPack) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {config: [] for config in CONFIGS}
    number = 1
    while (folder := run.stage(number, "synthesize")).folder.exists():
        pairs = {pair.pair_id: pair for pair in folder.read("pairs", Pair) if pair.dropped is None}
        traces = [trace for trace in run.stage(number, "select").read("traces", Trace) if trace.pair_id in pairs]
        kept = {trace.pair_id for trace in traces if trace.kept}
        rows["sft"] += [_sft(number, pairs[trace.pair_id], trace, pack) for trace in traces if trace.kept]
        rows["judge-preference"] += list(_judge_preferences(number, pairs, traces, pack))
        rows["preference"] += [_preference(number, pair, kept=pair.pair_id in kept) for pair in pairs.values()]
        number += 1
    return rows


def _sft(iteration: int, pair: Pair, trace: Trace, pack: PromptPack) -> Row:
    return {
        **_about(iteration, pair),
        "order": trace.order,
        "prompt": _judge_prompt(pair, trace.order, pack),
        "completion": _said(trace.reasoning),
    }


def _judge_preferences(
    iteration: int, pairs: Mapping[str, Pair], traces: Sequence[Trace], pack: PromptPack
) -> Iterator[Row]:
    """Each kept trace against one rejected trace with the wrong verdict on the very same prompt."""
    wrong: dict[tuple[str, str], list[Trace]] = defaultdict(list)
    for trace in traces:
        if not trace.kept and trace.outcome == "wrong":
            wrong[trace.pair_id, trace.order].append(trace)
    for trace in traces:
        if trace.kept and (others := wrong[trace.pair_id, trace.order]):
            pair = pairs[trace.pair_id]
            yield {
                **_about(iteration, pair),
                "order": trace.order,
                "prompt": _judge_prompt(pair, trace.order, pack),
                "chosen": _said(trace.reasoning),
                "rejected": _said(others.pop(0).reasoning),
            }


def _preference(iteration: int, pair: Pair, *, kept: bool) -> Row:
    return {
        **_about(iteration, pair),
        "confirmed": kept,
        "prompt": [{"role": "user", "content": plain(pair.question)}],
        "chosen": _said(pair.preferred),
        "rejected": _said(pair.degraded),
    }


def _about(iteration: int, pair: Pair) -> Row:
    return {
        "image_id": pair.image_id,
        "pair_id": pair.pair_id,
        "iteration": iteration,
        "kind": pair.kind,
        "dimension": pair.dimension,
        "strategy": pair.strategy,
    }


def _judge_prompt(pair: Pair, order: Order, pack: PromptPack) -> list[Row]:
    first, second = in_order(order, pair.preferred, pair.degraded)
    return [
        {"role": message.role, "content": plain(message.text)}
        for message in judge_messages(pack, pair.question, first, second)
    ]


def _said(text: str) -> list[Row]:
    return [{"role": "assistant", "content": plain(text)}]


def plain(text: str) -> str:
    """The text with a space inside whatever spells a special token of some family: a trainer would take an `<image>`
    that a model wrote for the picture's own."""
    return LOOKS_SPECIAL.sub(lambda found: f"{found.group()} ", text)


def _image_paths(run: RunFolder) -> dict[str, Path]:
    root = run.workspace.root
    return {row.image_id: root / row.path for row in run.intake().read("images", ImageRow)}


def _copy_images(paths: Sequence[Path], folder: Path) -> set[str]:
    folder.mkdir()
    for path in paths:
        shutil.copyfile(path, folder / path.name)
    return {path.name for path in paths}


def _write_jsonl(path: Path, rows: Sequence[Row], images: Mapping[str, Path], names: set[str]) -> None:
    """One object per line, `images` as paths relative to the file; no file for no rows."""
    if not rows:
        return
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            name = images[row["image_id"]].name
            assert name in names
            file.write(json.dumps({"images": [f"images/{name}"], **row}, ensure_ascii=False) + "\n")


def _write_parquet(folder: Path, config: str, rows: Sequence[Row], images: Mapping[str, Path]) -> None:
    """Shards with the images' bytes inside, so that `load_dataset` needs nothing else."""
    if not rows:
        return
    from datasets import Dataset, Features, Image, List, Value, disable_progress_bars, enable_progress_bars

    turns = List({"role": Value("string"), "content": Value("string")})
    talk = {"prompt", "completion", "chosen", "rejected"}
    kinds = {bool: Value("bool"), int: Value("int64"), str: Value("string")}
    features = Features(
        {"images": List(Image())}
        | {name: turns if name in talk else kinds[type(value)] for name, value in rows[0].items()}
    )
    folder.mkdir(exist_ok=True)
    disable_progress_bars()
    try:
        for shard, start in enumerate(range(0, len(rows), _SHARD_ROWS)):
            part = [
                {
                    "images": [{"bytes": images[row["image_id"]].read_bytes(), "path": images[row["image_id"]].name}],
                    **row,
                }
                for row in rows[start : start + _SHARD_ROWS]
            ]
            Dataset.from_list(part, features=features).to_parquet(str(folder / f"{config}-{shard:05d}.parquet"))
    finally:
        enable_progress_bars()


def _card(run: RunFolder, settings: Settings, counts: Mapping[str, int]) -> str:
    head = {
        "pretty_name": f"Judge Studio run {run.name}",
        "tags": ["judge-studio", "preference", "trl"],
        "task_categories": ["image-text-to-text"],
        "configs": [
            {"config_name": config, "data_files": f"data/{config}-*.parquet"} for config in CONFIGS if counts[config]
        ],
    }
    source = settings.source.path or f"{settings.source.kind} scenes"
    lines = [
        f"# Judge Studio run {run.name}",
        "",
        f"Written by `{one_line(settings.model.base)}` about images of {one_line(source)}, without human labels and "
        "without a stronger model. Texts are model output: they can be wrong. The licence of the images is that of "
        "their source, the licence of the texts that of the model.",
        "",
        "| configuration | rows | what it is | trainer |",
        "| --- | --- | --- | --- |",
        f"| sft | {counts['sft']} | reasoned rulings that agree with how the pair was made, in both orders "
        "| `SFTTrainer` |",
        f"| judge-preference | {counts['judge-preference']} | such a ruling against a wrong one on the same prompt "
        "| `DPOTrainer` |",
        f"| preference | {counts['preference']} | the pairs themselves: a response and a degraded one; `confirmed` "
        "where the judge agreed | `DPOTrainer` |",
        "",
        "Where a text spells a special token such as `< image>`, a space keeps it text.",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'rows = load_dataset("THIS_FOLDER", "sft", split="train")',
        "```",
        "",
        "The same rows are in `sft.jsonl`, `judge-preference.jsonl` and `preference.jsonl`, their images in `images/`.",
    ]
    return front_matter(head) + "\n".join(lines) + "\n"
