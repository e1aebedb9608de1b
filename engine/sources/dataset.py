"""A Hugging Face dataset, by hub id or as a local folder, streamed row by row without decoding its images.

`datasets` is imported only when such a source is opened. Code that comes with a dataset is never run.
"""

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.config import SourceSettings
from engine.errors import SourceError
from engine.paths import expanded
from engine.records import Skipped
from engine.sources.columns import Columns, check_columns, columns_of, entry_of, finder
from engine.sources.entry import Entry, Source, readable_name
from engine.sources.json_array import is_array
from engine.sources.labels import Labels, class_names, named
from engine.sources.pictures.upright import ImageRefused, Limits
from engine.sources.table import open_table

_SAVED = ("dataset_info.json", "dataset_dict.json")
"""Either file marks a folder that `save_to_disk` wrote."""
_PATTERN = re.compile(r"[\[\]*?{}!#%:]")
_HUB_PATIENCE = 10.0
"""Seconds to wait for the hub's first answer; `datasets` alone would retry for 23 s before saying it is away."""


_FIRST_ROWS = 1000
"""Rows looked at for what the columns are called: the first ones may lack one, e.g. be without an image."""


def open_dataset(settings: SourceSettings, limits: Limits) -> Source:
    """The rows of one split. A local folder may be one of `save_to_disk` or anything `load_dataset` reads.

    Raises `SourceError` if it is missing, the hub cannot be reached, or there is no such split or column.
    """
    assert settings.path is not None
    path = expanded(settings.path)
    where = f"source.path: dataset '{readable_name(settings.path, 200)}'"
    if (array := _json_array(path)) is not None:
        return open_table(array, columns_of(settings), limits)
    if path.is_file():
        kind = "zip" if path.suffix.lower() == ".zip" else "table"
        raise SourceError(f"{where}: is a file, not a folder or a Hugging Face id. Use source.kind={kind} for it.")
    rows = load_rows(settings.path, config=settings.dataset_config, split=settings.split, where=where)
    columns = columns_of(settings)
    labels = class_names(rows.features.to_dict()) if rows.features is not None else {}
    rows, total = _prepared(rows, columns, settings.split, where)
    find = finder(path, limits) if path.exists() else _hub_finder(limits)
    return Source(
        label=f"dataset {readable_name(settings.path, 200)}",
        total=total,
        entries=_entries(rows, columns, find, settings.split, labels),
    )


def _json_array(path: Path) -> Path | None:
    """The file that is one JSON array of rows: `path` itself, or the only .json of a folder (LLaVA's form, beside its
    pictures), which `datasets` would take for a folder of pictures."""
    found = [path] if path.is_file() else sorted(path.glob("*.json")) if path.is_dir() else []
    if len(found) != 1 or found[0].name in _SAVED or found[0].suffix.lower() != ".json":
        return None
    try:
        with found[0].open("rb") as file:
            return found[0] if is_array(file.read(4096)) else None
    except OSError:
        return None


def load_rows(name: str, *, split: str, where: str, config: str | None = None) -> Any:
    """A `Dataset` or `IterableDataset` of one split of the folder or hub dataset `name`, images undecoded.

    Raises `SourceError` beginning with `where`.
    """
    import datasets

    datasets.disable_progress_bars()  # the run shows its own progress
    path = expanded(name)
    if path.exists() and any((path / saved).is_file() for saved in _SAVED):
        loaded = _attempt(lambda: datasets.load_from_disk(str(path)), where)
        if isinstance(loaded, datasets.DatasetDict):
            if split not in loaded:
                raise SourceError(f"{where}: has no split '{split}'; it has {', '.join(loaded)}. Set source.split.")
            loaded = loaded[split]
        return _undecoded(loaded)
    cached = False
    if not path.exists():
        cached = _is_cached(name)
        if not cached:
            _check_hub(name, where)
    known = str(_plainly_named(path)) if path.exists() else name
    # Streamed, because the images are stored in the workspace anyway; what is in the cache already is used as it is.
    return _undecoded(_attempt(lambda: datasets.load_dataset(known, config, split=split, streaming=not cached), where))


def _plainly_named(folder: Path) -> Path:
    """The folder, or links to all its files under a plain name where its own has signs that `datasets` would take for a
    pattern or a part of a URL. It follows a link to the folder itself back to that name."""
    if not _PATTERN.search(str(folder.absolute())):
        return folder
    home = Path(tempfile.mkdtemp(prefix="judge-studio-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)  # rows are read until the process ends
    for here, _, names in os.walk(folder.absolute()):
        there = home / Path(here).relative_to(folder.absolute())
        there.mkdir(exist_ok=True)
        for name in names:
            (there / name).symlink_to(Path(here) / name)
    return home


def _undecoded(rows: Any) -> Any:
    """The same rows, with `{bytes, path}` for every image: decoding is `pictures.upright`'s, with its limits."""
    import datasets

    raw = datasets.Image(decode=False)
    for name, feature in (rows.features or {}).items():
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(name, raw)
        elif isinstance(getattr(feature, "feature", None), datasets.Image):
            rows = rows.cast_column(name, datasets.List(raw))
    return rows


def _attempt(load: Callable[[], Any], where: str) -> Any:
    """`load()`, its many ways to fail turned into one sentence."""
    try:
        return load()
    except Exception as error:  # `datasets` raises its own, OSError, ValueError, pyarrow's and others
        text = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
        raise SourceError(
            f"{where}: cannot be loaded: {text}. Check source.path, source.dataset_config and source.split."
        ) from error


def _is_cached(dataset_id: str) -> bool:
    """Whether an earlier `load_dataset` of this id left it in the local cache."""
    import datasets

    cache = Path(datasets.config.HF_DATASETS_CACHE)
    wanted = dataset_id.replace("/", "").replace("_", "").lower()
    return cache.is_dir() and any(folder.name.replace("_", "").lower() == wanted for folder in cache.iterdir())


def _check_hub(dataset_id: str, where: str) -> None:
    """Ask the hub for the dataset's card, so that a wrong id or a missing network is known at once."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    try:
        HfApi().dataset_info(dataset_id, timeout=_HUB_PATIENCE)
    except HFValidationError:
        raise SourceError(
            f"{where}: there is no such folder, and it cannot be a Hugging Face id. Correct source.path."
        ) from None
    except RepositoryNotFoundError:
        raise SourceError(
            f"{where}: there is no such folder, and the hub knows no public dataset of that name. "
            "Correct source.path, or set HF_TOKEN for a private one."
        ) from None
    except HfHubHTTPError as error:
        raise SourceError(
            f"{where}: the hub refused it ({type(error).__name__}). Set HF_TOKEN, or ask for access there."
        ) from error
    except Exception as error:  # the HTTP library's own, which differ between versions of the hub client
        raise SourceError(
            f"{where}: there is no such folder, and the Hugging Face hub cannot be reached "
            f"({' '.join(str(error).split())[:120].rstrip('.')}). "
            "Download the dataset where there is a network and give its folder."
        ) from error


def _prepared(rows: Any, columns: Columns, split: str, where: str) -> tuple[Any, int | None]:
    """The rows with only the wanted columns, and how many there are if that is known."""
    features = rows.features
    if features is None:  # json lines, streamed: the first rows show what the columns are called
        first = _attempt(lambda: list(rows.take(_FIRST_ROWS)), where)
        if not first:
            raise SourceError(f"{where}: the split '{split}' is empty. Choose another split.")
        check_columns(columns, list(dict.fromkeys(name for row in first for name in row)), where)
        return rows, None
    image_columns = [name for name, feature in features.items() if _holds_images(feature)]
    if columns.image not in features and image_columns:
        raise SourceError(
            f"{where}: has no column '{columns.image}'; images are in {', '.join(image_columns)}. "
            "Set source.image_column."
        )
    check_columns(columns, list(features), where)
    rows = rows.select_columns(columns.wanted)
    return rows, _number_of_rows(rows, split)


def _holds_images(feature: Any) -> bool:
    import datasets

    return isinstance(getattr(feature, "feature", feature), datasets.Image)


def _number_of_rows(rows: Any, split: str) -> int | None:
    try:
        return len(rows)
    except TypeError:  # streamed
        known = (rows.info.splits or {}).get(split)
        return known.num_examples or None if known is not None else None


def _hub_finder(limits: Limits) -> Callable[[str], bytes]:
    """Reads images that a hub dataset holds as files: from the hub while streaming, else from the local cache."""
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    local = [finder(Path(folder), limits) for folder in (datasets.config.HF_DATASETS_CACHE, HF_HUB_CACHE)]

    def find(name: str) -> bytes:
        if name.rpartition("::")[2].startswith("hf://"):
            return _read_remote(name, limits)
        try:
            return local[0](name)
        except ImageRefused:
            return local[1](name)

    return find


def _read_remote(name: str, limits: Limits) -> bytes:
    from datasets.utils.file_utils import xopen

    try:
        with xopen(name, "rb") as file:
            data: bytes = file.read(limits.max_bytes + 1)
    except Exception as error:  # network and file system libraries, each with its own errors
        raise ImageRefused(f"it cannot be fetched: {' '.join(str(error).split())[:160]}") from error
    return data


def _entries(
    rows: Any, columns: Columns, find: Callable[[str], bytes], split: str, labels: Labels
) -> Iterator[Entry | Skipped]:
    number = 0
    iterator = iter(rows)
    while True:
        try:
            row = next(iterator)
        except StopIteration:
            return
        except Exception as error:  # a damaged shard or a lost connection ends the stream, not the run
            reason = f"the dataset cannot be read from here on: {' '.join(str(error).split())[:160]}"
            yield Skipped(name=f"{split} from row {number}", reason=reason)
            return
        yield entry_of(named(row, labels), f"{split} row {number}", columns, find)
        number += 1
