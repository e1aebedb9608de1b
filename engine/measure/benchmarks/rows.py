"""Rows of a published benchmark wherever it lies: a parquet, json or jsonl file, a folder of them, or the hub.

It knows no benchmark; pictures that rows hold as bytes are written to a folder, so that items can name a file.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.measure.benchmarks.protocol import Loaded
from engine.paths import expanded
from engine.records import BenchmarkItem
from engine.sources.columns import image_bytes, path_inside
from engine.sources.json_lines import json_lines, json_row
from engine.sources.pictures.upright import ImageRefused, Limits, read_limited
from engine.text import without_halves

_BATCH = 16
"""Rows decoded from parquet at a time: each holds a picture of up to some megabytes."""
_LONGEST_PATH = 4096
_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """An opened benchmark."""

    where: str
    """How errors name it."""
    root: Path
    """The folder that image paths in the rows are relative to, and must stay in."""
    rows: Iterable[Mapping[str, Any]]


def open_rows(place: str | None, *, hub_id: str, split: str = "test", files: tuple[str, ...] = ()) -> Rows:
    """The benchmark at `place`, a file or a folder, or from the hub if that is None.

    `files` are names to look for in a folder before its parquet files. Raises `SourceError` if nothing is there.
    """
    if place is None:
        from engine.sources.dataset import load_rows

        where = f"benchmark {hub_id}"
        return Rows(where=where, root=Path("/nowhere"), rows=load_rows(hub_id, split=split, where=where))
    path = expanded(place)
    if path.is_dir():
        return _open_folder(path, files)
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file or folder. Name where the benchmark {hub_id} lies.")
    return Rows(where=str(path), root=path.parent, rows=_file_rows(path))


def image_file(value: Any, root: Path, folder: Path) -> Path:
    """The picture of a cell as a file: the one it names inside `root`, else its bytes written to `folder`.

    Raises `ImageRefused` if the cell holds no picture; whether the file is a sound one is not looked at.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, list | tuple) and len(value) == 1:
        return image_file(value[0], root, folder)
    if isinstance(value, str) and (path := _named(value, root)) is not None:
        return path
    data = image_bytes(value, lambda name: read_limited(path_inside(root, name), _LIMITS))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(data).hexdigest()}.image"
    if not path.exists():
        path.write_bytes(data)
    return path


def _named(value: str, root: Path) -> Path | None:
    """The file inside `root` that a text names; None where it is a picture in base64, or names nothing."""
    if not 0 < len(value) <= _LONGEST_PATH or value.startswith("data:"):
        return None
    try:
        path = path_inside(root, value)
        return path if path.is_file() else None
    except (ImageRefused, OSError, ValueError):  # base64 can be too long for a name, or begin like a path
        return None


def texts(row: Mapping[str, Any], *names: str, where: str) -> list[str]:
    """The texts in the columns `names`. Raises `SourceError` naming the first that is missing or no text."""
    for name in names:
        if not isinstance(row.get(name), str):
            raise SourceError(f"{where}: has no text in '{name}'. Correct the file, or name another.")
    return [row[name] for name in names]


def _open_folder(path: Path, files: tuple[str, ...]) -> Rows:
    for name in files:
        if (path / name).is_file():
            return open_rows(str(path / name), hub_id=name)
    parts = sorted(path.rglob("*.parquet"))
    if not parts:
        looked = ", ".join((*files, "*.parquet"))
        raise SourceError(f"{path}: holds none of {looked}. Name the folder or file of the benchmark.")
    return Rows(where=str(path), root=path, rows=(row for part in parts for row in _file_rows(part)))


def _file_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa

    try:
        if path.suffix == ".parquet":
            yield from _parquet_rows(path)
        elif path.suffix == ".json":
            yield from without_halves(json.loads(path.read_text(encoding="utf-8-sig")))
        else:
            yield from (json_row(where, line) for where, line in json_lines(path))
    except (OSError, ValueError, RecursionError, pa.ArrowException) as error:
        text = " ".join(str(error).split())[:200]
        raise SourceError(f"{path}: cannot be read: {text}. Download it again, or correct it.") from error


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH):
            yield from batch.to_pylist()


def each_once(found: Iterable[BenchmarkItem | None]) -> Loaded:
    """The items of all rows, the first of those that are repeated; None stands for a row whose picture is not there."""
    items: dict[str, BenchmarkItem] = {}
    rows = without_image = 0
    for item in found:
        rows += 1
        if item is None:
            without_image += 1
        else:
            items.setdefault(item.item_id, item)
    return Loaded(
        items=list(items.values()),
        rows=rows,
        without_image=without_image,
        repeats=rows - without_image - len(items),
    )


def usable(row: Any, where: str) -> Mapping[str, Any]:
    """`row` if it is a mapping. Raises `SourceError` otherwise."""
    if not isinstance(row, Mapping):
        raise SourceError(f"{where}: a row is a {type(row).__name__}, not an object. Correct the file.")
    return row
