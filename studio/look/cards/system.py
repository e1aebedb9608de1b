"""What SQL and Doctor show: schema browser, query result, checks of this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from studio.look import words
from studio.look.cards.markup import EMPTY, Html, element, esc, press


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaTable:
    """One view of the catalog."""

    name: str
    columns: Sequence[tuple[str, str]]
    """Name and type."""
    rows: int | None = None


def schema_browser(tables: Sequence[SchemaTable]) -> Html:
    """Views with their columns, all folded. A click on a name arrives as `act` "insert", `id` the name to insert."""
    return element("div", *map(_schema, tables), class_="st-schema")


def _schema(table: SchemaTable) -> Html:
    count = element("small", esc(words.plural(table.rows, "row"))) if table.rows is not None else EMPTY
    columns = [
        element(
            "li",
            press(esc(name, limit=80), act="insert", key=name, class_="st-linkish st-mono"),
            element("small", esc(kind.lower(), limit=60)),
        )
        for name, kind in table.columns
    ]
    summary = element("summary", element("b", esc(table.name), class_="st-mono"), count)
    return element("details", summary, element("ul", *columns))


def result_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    more: bool = False,
    limit: int = 500,
    urls: Mapping[str, Sequence[str | None]] | None = None,
) -> Html:
    """Rows of a query as text, each cell cut at `limit` characters; on a phone every row becomes a small list.

    `more` says that the row limit of the query was reached. `urls`: column → where each row's cell leads.
    """
    if not columns:
        return EMPTY
    names = [str(column)[:120] for column in columns]
    kinds = [_is_numeric([line[place] for line in rows if place < len(line)]) for place in range(len(names))]
    head = element(
        "tr",
        *(
            element("th", esc(name), scope="col", class_="st-num" if kind else None)
            for name, kind in zip(names, kinds, strict=True)
        ),
    )
    body = [
        element(
            "tr",
            *(  # a line may be short
                _cell(name, value, kind, limit, url=urls[name][place] if urls and name in urls else None)
                for name, value, kind in zip(names, line, kinds, strict=False)
            ),
        )
        for place, line in enumerate(rows)
    ]
    table = element("table", element("thead", head), element("tbody", *body), class_="st-table is-stacked")
    count = words.plural(len(rows), "row") + (", the limit; add a WHERE or LIMIT to see others" if more else "")
    return Html(
        element("div", table, class_="st-scroll", tabindex="0", role="region", aria_label="Result")
        + element("p", esc(count), class_="st-sub st-dim st-tablefoot")
    )


def _is_numeric(values: Sequence[object]) -> bool:
    """Whether a column holds numbers and perhaps NULLs, so that it is set to the right."""
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def _cell(name: str, value: object, is_numeric: bool, limit: int, *, url: str | None) -> Html:
    kinds = ["st-num"] * is_numeric + ["is-null"] * (value is None)
    text = "NULL" if value is None else value
    body = element("span", esc(text, limit=limit), dir="auto")
    if url:
        body = press(body, act="", url=url, class_="st-linkish")
    return element("td", body, class_=" ".join(kinds) or None, data_label=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of Doctor."""

    name: str
    found: str
    state: Literal["ok", "note", "bad"]
    advice: str = ""
    """What it would enable, or what to do."""


_SIGNS = {
    "ok": ("✓", "fine", "kept"),
    "note": ("○", "optional", "quiet"),
    "bad": ("✕", "problem", "rejected"),
}


def doctor_table(checks: Sequence[Check]) -> Html:
    """Versions, device, memory, disk, extras: sign, name, what was found, what to do."""
    return element("ul", *(_check(check) for check in checks), class_="st-doctor")


def _check(check: Check) -> Html:
    glyph, word, tone = _SIGNS[check.state]
    return element(
        "li",
        element("span", esc(glyph), element("span", esc(word), class_="st-sr"), class_=f"sign is-c-{tone}"),
        element("b", esc(check.name, limit=120)),
        element("span", esc(check.found, limit=400), dir="auto"),
        element("small", esc(check.advice, limit=400)),
    )
