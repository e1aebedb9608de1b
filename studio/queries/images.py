"""A run's own pictures with what became of each, and what was asked about one of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from engine.workspace.catalog.database import Catalog

PAGE_SIZE = 60
ALIKE = "alike"
"""In place of what became of a picture: those that look like another one."""
_BY_NAME = (
    "list_transform(regexp_extract_all(name, '[0-9]+|[^0-9]+'), "
    "lambda part: CASE WHEN regexp_full_match(part, '[0-9]+') "
    "THEN lpad(part, greatest(length(part), 12)::int, '0') ELSE part END)"
)
"""Numbers in a name count as numbers: scene 2 comes before scene 10."""
SORTS: Mapping[str, str] = {
    "": _BY_NAME,
    "pairs": f"pairs DESC, {_BY_NAME}",
    "most-kept": f"kept / nullif(pairs, 0) DESC NULLS LAST, pairs DESC, {_BY_NAME}",
    "least-kept": f"kept / nullif(pairs, 0) NULLS LAST, pairs DESC, {_BY_NAME}",
}
_PICTURES = """
    WITH asked AS (
        SELECT image_id, count(*) AS questions, bool_or(split <> 'train') AS held,
               list_distinct(list(dimension)) AS about
        FROM instructions WHERE run = ? GROUP BY image_id
    ), made AS (
        SELECT image_id, count(*) AS tried, count(*) FILTER (dropped IS NULL) AS pairs,
               count(*) FILTER (dropped IS NULL AND fate = 'kept') AS kept,
               list_distinct(list(dimension)) AS dimensions, list_distinct(list(strategy)) AS strategies
        FROM pairs WHERE run = ? GROUP BY image_id
    ), files AS (
        SELECT image_id, any_value(path) AS path, any_value(name) AS name, any_value(width) AS width,
               any_value(height) AS height
        FROM images WHERE run = ? GROUP BY image_id
    ), groups AS (
        SELECT image_id, twins, count(*) OVER (PARTITION BY twins) - 1 AS alike FROM looks WHERE run = ?
    ), pictures AS (
        SELECT files.*, questions, coalesce(pairs, 0) AS pairs, coalesce(kept, 0) AS kept, coalesce(alike, 0) AS alike,
               twins, about, dimensions, strategies,
               CASE WHEN held THEN 'held-out' WHEN kept > 0 THEN 'kept' WHEN pairs > 0 THEN 'rejected'
                    WHEN tried > 0 THEN 'dropped' ELSE 'waiting' END AS became
        FROM asked JOIN files USING (image_id) LEFT JOIN made USING (image_id) LEFT JOIN groups USING (image_id)
    )
"""
"""Takes the run's name four times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFilter:
    """Which pictures, in which order. Every value comes from a visitor; "" = any, and the order of names."""

    became: str = ""
    """A value of `RunImage.became`, or `ALIKE`."""
    dimension: str = ""
    strategy: str = ""
    sort: str = ""
    """A key of `SORTS`."""

    def where(self, *, became: bool = True) -> tuple[str, list[Any]]:
        """The condition on a row of `pictures` with its values."""
        parts, values = ["true"], []
        if became and self.became == ALIKE:
            parts.append("alike > 0")
        elif became and self.became:
            parts.append("became = ?")
            values.append(self.became)
        if self.dimension:
            parts.append("(list_contains(about, ?) OR list_contains(dimensions, ?))")
            values += [self.dimension, self.dimension]
        if self.strategy:
            parts.append("list_contains(strategies, ?)")
            values.append(self.strategy)
        return " AND ".join(parts), values


@dataclass(frozen=True, slots=True, kw_only=True)
class RunImage:
    """One picture that the run asks about."""

    image_id: str
    path: str
    """Relative to the workspace."""
    name: str
    width: int
    height: int
    questions: int
    pairs: int
    """Made of it in all iterations and not dropped."""
    kept: int
    """Of these pairs, those that have traces which were trained on."""
    alike: int
    """Other pictures of the run that are taken for the same."""
    became: str
    """held-out; kept: at least one pair was; rejected: pairs, but none was; dropped: no pair held; waiting: no pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuestion:
    """One question about a picture, and a pair that was made of it."""

    question: str
    kind: str
    dimension: str
    split: str
    """train, or held-out: never trained on."""
    iteration: int | None
    pair_id: str | None
    """None where no pair was made of it yet."""
    fate: str | None
    """kept, a reason code, or "dropped: …"; None before select."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChoices:
    """What a run's pictures can be filtered by, each value with its number of pictures."""

    became: list[tuple[str, int]]
    """Under the filter's dimension and strategy; with `ALIKE` where there are such."""
    dimensions: list[tuple[str, int]]
    strategies: list[tuple[str, int]]


def image_counts(catalog: Catalog) -> dict[str, int]:
    """Run → pictures that it asks about, for runs that have some."""
    rows = catalog.query("SELECT run, count(DISTINCT image_id) FROM instructions GROUP BY run")
    return {str(run): int(count) for run, count in rows}


def run_images(catalog: Catalog, run: str, wanted: ImageFilter | None = None, *, page: int = 0) -> list[RunImage]:
    """One page of the run's pictures."""
    asked = wanted or ImageFilter()
    where, values = asked.where()
    together = "twins, " if asked.became == ALIKE and not asked.sort else ""
    order = f"ORDER BY {together}{SORTS.get(asked.sort, _BY_NAME)}, image_id LIMIT ? OFFSET ?"
    return _images(catalog, run, f"WHERE {where} {order}", [*values, PAGE_SIZE, page * PAGE_SIZE])


def images_by_id(catalog: Catalog, run: str, ids: list[str]) -> dict[str, RunImage]:
    """Pictures of the run by id; ids that it does not ask about are missing."""
    marks = ", ".join("?" * len(ids))
    return {one.image_id: one for one in _images(catalog, run, f"WHERE image_id IN ({marks})", ids)} if ids else {}


def _images(catalog: Catalog, run: str, condition: str, values: list[Any]) -> list[RunImage]:
    names = [field.name for field in fields(RunImage)]
    rows = catalog.query(f"{_PICTURES} SELECT {', '.join(names)} FROM pictures {condition}", [*[run] * 4, *values])
    return [RunImage(**dict(zip(names, row, strict=True))) for row in rows]


def image_choices(catalog: Catalog, run: str, wanted: ImageFilter) -> ImageChoices:
    """What there is to choose from, and how many pictures each choice leaves."""
    where, values = wanted.where(became=False)
    rows = catalog.query(
        f"{_PICTURES} SELECT became, count(*), count(*) FILTER (alike > 0) FROM pictures WHERE {where} "
        "GROUP BY became ORDER BY 2 DESC, 1",
        [*[run] * 4, *values],
    )
    alike = sum(row[2] for row in rows)
    columns = {
        column: catalog.query(
            f"SELECT {column}, count(DISTINCT image_id) FROM pairs WHERE run = ? GROUP BY 1 ORDER BY 2 DESC, 1", [run]
        )
        for column in ("dimension", "strategy")
    }
    return ImageChoices(
        became=[*((str(row[0]), int(row[1])) for row in rows), *([(ALIKE, alike)] if alike else [])],
        dimensions=[(str(name), int(count)) for name, count in columns["dimension"] if name],
        strategies=[(str(name), int(count)) for name, count in columns["strategy"] if name],
    )


def left_out(catalog: Catalog, run: str, *, most: int = 200) -> tuple[list[tuple[str, str]], int]:
    """Files of the run's source that were not taken, each with the reason; and how many there are in all."""
    rows = catalog.query("SELECT name, reason, count(*) OVER () FROM skipped WHERE run = ? LIMIT ?", [run, most])
    return [(str(row[0]), str(row[1])) for row in rows], int(rows[0][2]) if rows else 0


def asked_about(catalog: Catalog, run: str, image_id: str, *, most: int = 200) -> list[ImageQuestion]:
    """Every question about a picture with the pairs that were made of it, oldest iteration first."""
    rows = catalog.query(
        "SELECT i.question, i.kind, coalesce(p.dimension, i.dimension, ''), i.split, p.iteration, p.pair_id, "
        "CASE WHEN p.dropped IS NOT NULL THEN 'dropped: ' || p.dropped ELSE p.fate END "
        "FROM instructions i LEFT JOIN (SELECT * FROM pairs WHERE run = ? AND image_id = ?) p USING (instruction_id) "
        "WHERE i.run = ? AND i.image_id = ? ORDER BY p.iteration NULLS LAST, i.instruction_id LIMIT ?",
        [run, image_id, run, image_id, most],
    )
    return [
        ImageQuestion(question=row[0], kind=row[1], dimension=row[2], split=row[3], iteration=row[4], pair_id=row[5],
              fate=row[6])
        for row in rows
    ]  # fmt: skip
