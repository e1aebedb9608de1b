"""Class labels: columns that hold the number of a class, and the names of the classes.

Hugging Face keeps the names beside the columns, in a dataset's features and in the metadata of its parquet files.
"""

import json
from collections.abc import Mapping
from typing import Any

Labels = Mapping[str, tuple[str, ...]]
"""Column → names of its classes, for columns that hold classes."""


def class_names(features: Any) -> Labels:
    """The classes' names by column, of features as `datasets` writes them (`Features.to_dict()`)."""
    found = {name: _names(feature) for name, feature in features.items()} if isinstance(features, Mapping) else {}
    return {name: names for name, names in found.items() if names}


def class_names_of_parquet(metadata: Mapping[bytes, bytes] | None) -> Labels:
    """The same, of a parquet file's schema metadata; {} if `datasets` did not write it."""
    try:
        return class_names(json.loads((metadata or {})[b"huggingface"])["info"]["features"])
    except (KeyError, ValueError, TypeError):
        return {}


def named(row: Mapping[str, Any], labels: Labels) -> Mapping[str, Any]:
    """The row with the names of its classes instead of their numbers; None where a row has no class (-1)."""
    if not labels:
        return row
    return {column: _named(value, labels[column]) if column in labels else value for column, value in row.items()}


def _names(feature: Any) -> tuple[str, ...]:
    if isinstance(feature, list) and feature:  # a list of classes, as older versions write it
        return _names(feature[0])
    if not isinstance(feature, Mapping):
        return ()
    if feature.get("_type") == "ClassLabel":
        return tuple(map(str, feature.get("names") or ()))
    return _names(feature.get("feature"))


def _named(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, list | tuple):
        return [_named(part, names) for part in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return names[value] if 0 <= value < len(names) else None
    return value
