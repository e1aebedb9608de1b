"""What a server lists of its models: their names, which of them are adapters, and which one is meant."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.backends.served.http_door import PassingTrouble
from engine.errors import ModelError


def listed(url: str, answer: Any) -> list[dict[str, Any]]:
    """The rows of a list of models; some servers write plain names, or the list without what surrounds it."""
    rows = answer.get("data") if isinstance(answer, Mapping) else answer
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise PassingTrouble(f"server {url}: lists its models in no known form; model.url should end in /v1.")
    return [row if isinstance(row, dict) else {"id": str(row)} for row in rows]


def bases(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the models that are no adapters of another."""
    return [str(row.get("id")) for row in rows if not row.get("parent")]


def root_of(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The --model behind a served name, as vLLM lists it; the name itself where a server does not say."""
    return next((str(row["root"]) for row in rows if row.get("id") == name and row.get("root")), name)


def pick_model(url: str, wanted: str | None, served: Sequence[str]) -> str:
    """The served name that is meant: the wanted one, or the only one. Raises `ModelError` where there is none."""
    if wanted is None and len(served) == 1:
        return served[0]
    if wanted in served:
        return str(wanted)
    names = ", ".join(served) or "nothing"
    if wanted is None:
        raise ModelError(f"server {url}: serves {names}; name one with model.served_name.")
    raise ModelError(f"server {url}: does not serve '{wanted}' but {names}; set model.served_name.")
