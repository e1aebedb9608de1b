"""Arms of one experiment have their first stages in common: what one has finished, the next takes over.

A stage hangs on its own and the earlier groups of settings alone, so where these are the same its rows would be too.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from engine.config import Settings
from engine.measure.benchmarks.held_out import NAME as HELD_OUT
from engine.workspace.folders import RunFolder
from engine.workspace.locks import is_locked
from engine.workspace.run_record import run_record, run_settings
from engine.workspace.state import append_event

_PAIRS = ("model", "source", "synthesize")
_SHARED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("intake", _PAIRS),
    ("iteration-00/synthesize", _PAIRS),
    ("iteration-00/benchmark", ("model", "evaluate")),
    ("iteration-00/evaluate", ("model", "evaluate")),
    ("iteration-01/synthesize", _PAIRS),
    ("iteration-01/judge", (*_PAIRS, "judge", "evaluate")),
    ("iteration-01/select", (*_PAIRS, "judge", "evaluate", "select")),
)
"""Folder → the groups of settings that its rows can hang on, the seed and the base model's files aside. What is
measured on held-out pairs hangs on how pairs are made, too."""


def take_over(run: RunFolder, others: Iterable[RunFolder]) -> list[str]:
    """Give a run the finished first stages of others with the same settings there; the names of those that were given.

    Call it after `create_run` and before the run works. Files are linked where the disk can, since none is ever
    changed in place. A stage that the run has begun by itself is left alone.
    """
    given = []
    settings = run_settings(run)
    for other in others:
        if other.name == run.name or not other.config.exists() or is_locked(other) or not _same_model(run, other):
            continue
        theirs = run_settings(other)
        for name, groups in _SHARED:
            source, target = other.folder / name, run.folder / name
            if not target.exists() and (source / "done.json").exists() and _same(settings, theirs, groups):
                _link(source, target)
                append_event(run, "taken over", stage=name, of=other.name)
                given.append(name)
    return given


def _same(mine: Settings, theirs: Settings, groups: Iterable[str]) -> bool:
    if HELD_OUT in mine.evaluate.benchmarks:
        groups = (*groups, *_PAIRS)
    return mine.loop.seed == theirs.loop.seed and all(getattr(mine, one) == getattr(theirs, one) for one in groups)


def _same_model(run: RunFolder, other: RunFolder) -> bool:
    return run_record(run).get("model_fingerprint") == run_record(other).get("model_fingerprint")


def _link(source: Path, target: Path) -> None:
    """The folder's files under another name, all of them or none."""
    scratch = target.with_name(f".{target.name}.taking")
    shutil.rmtree(scratch, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, scratch, copy_function=_link_or_copy)
    os.replace(scratch, target)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
