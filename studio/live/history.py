"""Past live judgements, kept in the workspace's studio.sqlite so that every visitor and every restart finds them."""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from engine.workspace.folders import Workspace
from studio.live.said import JudgeSaid, as_stored, from_stored
from studio.queries.notes import open_notes

KEPT = 500
"""The oldest judgements beyond this many are forgotten."""
_COLUMNS = "key, time, image, question, a, b, judges, results"
_MORE = """(SELECT json_group_array(image) FROM (
    SELECT image FROM live_pictures WHERE live_pictures.key = live_judgements.key ORDER BY place))"""
"""Pictures after the first, which judgements could not have before: JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One question and what each judge version said of it."""

    key: str
    time: float
    """Unix time."""
    images: tuple[str, ...]
    """Of the question, relative to the workspace."""
    question: str
    a: str
    b: str
    judges: tuple[str, ...]
    """As `engine.judging.judges.resolve_judge` takes them, one per answer."""
    said: tuple[JudgeSaid, ...]


def keep(
    workspace: Workspace,
    *,
    images: Sequence[str],
    question: str,
    a: str,
    b: str,
    judges: Sequence[str],
    said: Sequence[JudgeSaid],
) -> str:
    """Store a judgement; its key. Raises `WorkspaceError` if the disk refuses."""
    key = secrets.token_hex(6)
    stored = json.dumps(as_stored(said), ensure_ascii=False)
    with open_notes(workspace) as database:
        database.execute(
            f"INSERT INTO live_judgements({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [key, time.time(), next(iter(images), None), question, a, b, json.dumps(list(judges)), stored],
        )
        more = [(key, place, image) for place, image in enumerate(images) if place]
        database.executemany("INSERT INTO live_pictures(key, place, image) VALUES (?, ?, ?)", more)
        database.execute(
            "DELETE FROM live_judgements WHERE key NOT IN (SELECT key FROM live_judgements ORDER BY time DESC LIMIT ?)",
            [KEPT],
        )
        database.execute("DELETE FROM live_pictures WHERE key NOT IN (SELECT key FROM live_judgements)")
    return key


def recent(workspace: Workspace, *, count: int = 8) -> list[Judgement]:
    """The newest judgements, newest first."""
    if not workspace.notes.exists():
        return []
    with open_notes(workspace) as database:
        rows = database.execute(f"SELECT {_COLUMNS}, {_MORE} FROM live_judgements ORDER BY time DESC LIMIT ?", [count])
        return [_judgement(row) for row in rows]


def find(workspace: Workspace, key: str) -> Judgement | None:
    """The judgement with that key. `key` is untrusted."""
    if not key or not workspace.notes.exists():
        return None
    with open_notes(workspace) as database:
        row = database.execute(f"SELECT {_COLUMNS}, {_MORE} FROM live_judgements WHERE key = ?", [key[:40]]).fetchone()
        return _judgement(row) if row else None


def _judgement(row: Sequence[object]) -> Judgement:
    key, when, image, question, a, b, judges, results, more = row
    return Judgement(
        key=str(key),
        time=float(str(when)),
        images=() if image is None else (str(image), *json.loads(str(more))),
        question=str(question),
        a=str(a),
        b=str(b),
        judges=tuple(json.loads(str(judges))),
        said=from_stored(json.loads(str(results))),
    )
