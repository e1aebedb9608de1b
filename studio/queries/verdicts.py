"""What judge versions said of benchmark items, and the items with their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from engine.records import BenchmarkItem, VerdictRow
from engine.workspace.catalog.database import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemImage:
    """The picture of a benchmark item."""

    path: str | None
    """Relative to the workspace; None where it is not known."""
    width: int | None


def question_pictures(item: BenchmarkItem, first: ItemImage) -> list[ItemImage]:
    """All pictures of an item's question; `first` is what `items` has found for it."""
    here = [first] if item.image or item.has_one_picture else []
    return [*here, *pictures_at(item.more_images)]


def pictures_at(paths: Sequence[str]) -> list[ItemImage]:
    """Further pictures of a question, or those inside a response; how wide they are nobody wrote down."""
    return [ItemImage(path=path, width=None) for path in paths]


def verdicts(
    catalog: Catalog, run: str, judge: str, benchmark: str, *, items: Sequence[str] | None = None
) -> list[VerdictRow]:
    """What a judge said of the benchmark's items; with its reasoning only where `items` are named."""
    names = [name if items is not None or name != "reasoning" else "'' AS reasoning" for name in _quoted(VerdictRow)]
    where, values = "run = ? AND judge = ? AND benchmark = ? AND protocol = 'strict'", [run, judge, benchmark]
    if items is not None:
        where += f" AND item_id IN ({', '.join('?' * len(items))})" if items else " AND false"
        values += items
    rows = catalog.query(f"SELECT {', '.join(names)} FROM verdicts WHERE {where}", values)
    return [VerdictRow(**dict(zip(_fields(VerdictRow), row, strict=True))) for row in rows]


def judges_measured(catalog: Catalog, run: str, benchmark: str) -> list[str]:
    """Every version and control that was asked about the benchmark's items in both orders."""
    question = "SELECT DISTINCT judge FROM verdicts WHERE run = ? AND benchmark = ? AND protocol = 'strict' ORDER BY 1"
    return [str(judge) for (judge,) in catalog.query(question, [run, benchmark])]


def items(catalog: Catalog, run: str, benchmark: str, ids: Sequence[str]) -> dict[str, tuple[BenchmarkItem, ItemImage]]:
    """Benchmark items with their pictures, by id; ids that are not known are missing."""
    if not ids:
        return {}
    question = f"""
        WITH wanted AS (
            SELECT {_names(BenchmarkItem)} FROM items
            WHERE run = ? AND benchmark = ? AND item_id IN ({", ".join("?" * len(ids))})
        ), pictures AS (
            SELECT image_id, any_value(path) AS path, any_value(width) AS width FROM images
            WHERE run = ? AND image_id IN (SELECT image_id FROM wanted) GROUP BY image_id
        )
        SELECT {", ".join(f"wanted.{name}" for name in _quoted(BenchmarkItem))}, pictures.path, pictures.width
        FROM wanted LEFT JOIN pictures USING (image_id)
    """
    rows = catalog.query(question, [run, benchmark, *ids, run])
    return {
        row[0]: (
            BenchmarkItem(**dict(zip(_fields(BenchmarkItem), row[:-2], strict=True))),
            ItemImage(path=row[-2], width=row[-1]),
        )
        for row in rows
    }


def _fields(record: type) -> list[str]:
    return [field.name for field in fields(record)]


def _quoted(record: type) -> list[str]:
    return [f'"{name}"' for name in _fields(record)]


def _names(record: type) -> str:
    return ", ".join(_quoted(record))
