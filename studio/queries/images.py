"""A run's own pictures, and what was asked about one of them."""

from dataclasses import dataclass

from engine.workspace.catalog.database import Catalog

PAGE_SIZE = 60
_BY_NAME = (
    "list_transform(regexp_extract_all(any_value(name), '[0-9]+|[^0-9]+'), "
    "lambda part: CASE WHEN regexp_full_match(part, '[0-9]+') "
    "THEN lpad(part, greatest(length(part), 12)::int, '0') ELSE part END)"
)
"""Numbers in a name count as numbers: scene 2 comes before scene 10."""


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


def image_counts(catalog: Catalog) -> dict[str, int]:
    """Run → pictures that it asks about, for runs that have some."""
    rows = catalog.query("SELECT run, count(DISTINCT image_id) FROM instructions GROUP BY run")
    return {str(run): int(count) for run, count in rows}


def run_images(catalog: Catalog, run: str, *, page: int = 0) -> list[RunImage]:
    """One page of the run's pictures by name."""
    rows = catalog.query(
        "WITH asked AS (SELECT image_id, count(*) AS questions FROM instructions WHERE run = ? GROUP BY image_id) "
        "SELECT image_id, any_value(path), any_value(name), any_value(width), any_value(height), "
        "any_value(questions) FROM images JOIN asked USING (image_id) WHERE run = ? GROUP BY image_id "
        f"ORDER BY {_BY_NAME}, image_id LIMIT ? OFFSET ?",
        [run, run, PAGE_SIZE, page * PAGE_SIZE],
    )
    return [
        RunImage(image_id=row[0], path=row[1], name=row[2], width=row[3], height=row[4], questions=row[5])
        for row in rows
    ]


def asked_about(catalog: Catalog, run: str, image_id: str, *, most: int = 200) -> list[ImageQuestion]:
    """Every question about a picture with the pairs that were made of it, oldest iteration first."""
    rows = catalog.query(
        "SELECT i.question, i.kind, i.dimension, i.split, p.iteration, p.pair_id, "
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
