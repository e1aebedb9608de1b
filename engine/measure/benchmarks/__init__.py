"""Comparisons with known answers, for evaluation only. One file per benchmark; this one knows their names."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import SettingsError, SourceError, UsageError
from engine.measure.benchmarks.held_out import NAME as HELD_OUT
from engine.paths import expanded, is_jsonl
from engine.records import BenchmarkItem

SHAPES = "shapes"
PUBLISHED = ("vl-rewardbench", "multimodal-rewardbench")
_OURS = frozenset({SHAPES, HELD_OUT, *PUBLISHED})
"""Names that stand for more than a file's: published protocols go by them."""

LeaveOut = Callable[[str], None]
"""Told of each row of a published benchmark that cannot be measured, in words."""


def is_file(name: str) -> bool:
    """Whether the settings name a person's own file, and not a benchmark and where it lies."""
    return is_jsonl(name) and name.partition("=")[0] not in PUBLISHED


def benchmark_names(names: Sequence[str]) -> dict[str, str]:
    """What the tables call the benchmarks that the settings name: "vl-rewardbench=PATH" → "vl-rewardbench", a file by
    its name, with folders before it where it would be taken for another: "ocr/test", "count/test".

    Raises `SettingsError` for one that is named twice.
    """
    called = {name: _parts(name)[-1:] if is_file(name) else (name.partition("=")[0],) for name in names}
    while unclear := [name for name in called if is_file(name) and _is_taken(called, name)]:
        longer = {name: _parts(name)[-len(called[name]) - 1 :] for name in unclear}
        if any(called[name] == longer[name] for name in unclear):
            break
        called |= longer
    found = {name: "/".join(parts) for name, parts in called.items()}
    twice = next((one for one, count in Counter(found.values()).items() if count > 1), None)
    if twice is not None or len(found) < len(names):
        twice = twice or Counter(names).most_common(1)[0][0]
        raise SettingsError(f"evaluate.benchmarks: {twice} is there twice. Name each benchmark once.")
    return found


def benchmark_name(name: str) -> str:
    """The same for one alone."""
    return benchmark_names([name])[name]


def load_items(
    name: str, *, count: int, seed: int, folder: Path, leave_out: LeaveOut = lambda _: None
) -> list[BenchmarkItem]:
    """At most `count` items of a benchmark, images as absolute paths; what must be drawn or unpacked goes to `folder`.

    `name` is "shapes", a .jsonl file, or a published benchmark and where it lies: "vl-rewardbench=PATH".
    Rows of a published one whose picture is missing are left out, and `leave_out` is told of each.
    Raises `SourceError` if there is no such benchmark or it holds nothing usable.
    """
    if count < 1:
        raise UsageError(f"{name}: cannot be measured on {count} items. Ask for 1 or more.")
    if name == SHAPES:
        from engine.shapes.benchmark import items

        return items(count=count, seed=seed, folder=folder)
    if is_file(name):
        from engine.measure.benchmarks.jsonl import load_jsonl

        return load_jsonl(expanded(name), folder=folder, benchmark=benchmark_name(name))[:count]
    known, _, place = name.partition("=")
    if known == PUBLISHED[0]:
        from engine.measure.benchmarks.vl_rewardbench import load_vl_rewardbench

        return load_vl_rewardbench(place or None, folder=folder, leave_out=leave_out)[:count]
    if known == PUBLISHED[1]:
        from engine.measure.benchmarks.multimodal_rewardbench import load_multimodal_rewardbench

        return load_multimodal_rewardbench(place or None, folder=folder, leave_out=leave_out)[:count]
    raise SourceError(
        f"evaluate.benchmarks: no benchmark called '{name}'. Use {SHAPES}, {HELD_OUT}, a .jsonl file, "
        f"or {' or '.join(f'{one}=PATH' for one in PUBLISHED)}; several as [a, b]."
    )


def _parts(name: str) -> tuple[str, ...]:
    """Folders and name of a file, without its suffix."""
    return expanded(name).absolute().with_suffix("").parts


def _is_taken(called: dict[str, tuple[str, ...]], name: str) -> bool:
    mine = called[name]
    return "/".join(mine) in _OURS or sum(parts == mine for parts in called.values()) > 1
