"""Comparisons with known answers, for evaluation only. One file per benchmark, its protocols with it: a new one is a
file here whose `BENCHMARK` says what it is."""

import pkgutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

from engine.errors import SettingsError, SourceError, UsageError
from engine.measure.benchmarks.held_out import NAME as HELD_OUT
from engine.measure.benchmarks.protocol import Benchmark, LeaveOut, Loaded, Protocol
from engine.paths import expanded, is_jsonl
from engine.shapes.looks import CLEAR, Look

SHAPES = "shapes"


def published_in(folders: Iterable[str]) -> dict[str, Benchmark]:
    """The benchmarks that the modules of this package in `folders` hold, by name."""
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(folders)]
    held = [module.BENCHMARK for module in modules if hasattr(module, "BENCHMARK")]
    return {one.name: one for one in held}


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


def published_protocols(benchmark: str) -> tuple[Protocol, ...]:
    """The published protocols of a benchmark by its table name, none for others."""
    return PUBLISHED[benchmark].protocols if benchmark in PUBLISHED else ()


def load_items(
    name: str,
    *,
    count: int | None,
    seed: int,
    folder: Path,
    look: Look = CLEAR,
    leave_out: LeaveOut = lambda _: None,
) -> Loaded:
    """At most `count` items of a benchmark, images as absolute paths; what must be drawn or unpacked goes to `folder`.

    Without a count all items; of the drawn shapes, which have no end, as many as treat every kind alike. `name` is
    "shapes", a .jsonl file, or a published benchmark and where it lies: "vl-rewardbench=PATH". `look` is that of the
    pictures of "shapes"; other benchmarks have pictures of their own.
    Rows of a published one whose picture is missing are left out, and `leave_out` is told of each.
    Raises `SourceError` if there is no such benchmark or it holds nothing usable.
    """
    if count is not None and count < 1:
        raise UsageError(f"{name}: cannot be measured on {count} items. Ask for 1 or more.")
    if name == SHAPES:
        return _drawn(count, seed=seed, folder=folder, look=look)
    if is_file(name):
        from engine.measure.benchmarks.jsonl import load_jsonl

        found = load_jsonl(expanded(name), folder=folder, benchmark=benchmark_name(name))
        return Loaded(items=found[:count], rows=len(found))
    known, _, place = name.partition("=")
    if known in PUBLISHED:
        loaded = PUBLISHED[known].load(place or None, folder=folder, leave_out=leave_out)
        return replace(loaded, items=loaded.items[:count])
    raise SourceError(
        f"evaluate.benchmarks: no benchmark called '{name}'. Use {SHAPES}, {HELD_OUT}, a .jsonl file, "
        f"or {' or '.join(f'{one}=PATH' for one in PUBLISHED)}; several as [a, b]."
    )


def _drawn(count: int | None, *, seed: int, folder: Path, look: Look) -> Loaded:
    from engine.shapes.benchmark import items

    draw = items if count is None else partial(items, count=count)
    drawn = draw(seed=seed, folder=folder, look=look)
    return Loaded(items=drawn, rows=len(drawn))


def _parts(name: str) -> tuple[str, ...]:
    """Folders and name of a file, without its suffix."""
    return expanded(name).absolute().with_suffix("").parts


def _is_taken(called: dict[str, tuple[str, ...]], name: str) -> bool:
    mine = called[name]
    return "/".join(mine) in _OURS or sum(parts == mine for parts in called.values()) > 1


PUBLISHED = published_in(__path__)
_OURS = frozenset({SHAPES, HELD_OUT, *PUBLISHED})
"""Names that stand for more than a file's: published protocols go by them."""
