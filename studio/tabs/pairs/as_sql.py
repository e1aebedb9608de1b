"""What the filter of the Pairs tab asks for as a question for the SQL tab, to sort it, count it or download it."""

from studio.queries.pairs import PairFilter
from studio.queries.shelf_tables import DROPPED, WAITING

_MOST_NAMED = 200
"""Flagged pairs that a question names; a longer one would not fit an address."""
_SHORTEST_ID = 4
"""Characters from which on a text may be the beginning of an id, as in `studio.queries.pairs`."""
_FATES = {
    None: "dropped IS NULL",
    "dropped": "dropped IS NOT NULL",
    "rejected": "dropped IS NULL AND fate <> 'kept'",
    WAITING: "dropped IS NULL AND fate IS NULL",
}
_BODY = "lower(question || chr(10) || preferred || chr(10) || degraded)"


def as_sql(wanted: PairFilter) -> str:
    """One SELECT over the view `pairs`; "" where the filter names too many flagged pairs."""
    if wanted.only is not None and len(wanted.only) > _MOST_NAMED:
        return ""
    named = {
        "run": wanted.run, "iteration": wanted.iteration, "kind": wanted.kind, "strategy": wanted.strategy,
        "dimension": wanted.dimension,
    }  # fmt: skip
    parts = [f"{name} = {_quoted(value)}" for name, value in named.items() if value not in (None, "")]
    parts.append(_fate(wanted.fate or None))
    if wanted.text:
        text = _quoted(wanted.text.lower())
        is_id = f" OR starts_with(pair_id, {text})" if len(wanted.text) >= _SHORTEST_ID else ""
        parts.append(f"(contains({_BODY}, {text}){is_id})")
    if wanted.only is not None:
        parts.append(f"pair_id IN ({', '.join(map(_quoted, sorted(wanted.only))) or 'NULL'})")
    where = "\n  AND ".join(parts)
    return (
        "SELECT iteration, pair_id, kind, strategy, dimension, fate, dropped, question, preferred, degraded, votes\n"
        f"FROM pairs\nWHERE {where}\nORDER BY iteration, pair_id"
    )


def _fate(fate: str | None) -> str:
    if fate in _FATES:
        return _FATES[fate]
    assert fate is not None
    if fate.startswith(DROPPED):
        return f"dropped = {_quoted(fate.removeprefix(DROPPED))}"
    return f"dropped IS NULL AND fate = {_quoted(fate)}"


def _quoted(value: object) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
