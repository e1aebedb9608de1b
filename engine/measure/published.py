"""Published results as reference lines: who, under which protocol, from which source. In assets/published.yaml.

A line is only as comparable as its protocol; no function here mixes protocols.
"""

from collections.abc import Mapping
from functools import lru_cache

import yaml
from pydantic import BaseModel, ConfigDict, Field

from engine.assets import assets_folder


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedNumber(_Strict):
    """One judge's published number. Shares in [0, 1]."""

    judge: str
    overall: float = Field(ge=0, le=1)
    macro: float | None = Field(default=None, ge=0, le=1)
    parts: dict[str, float] = {}
    """Dimension → accuracy."""


class Reference(_Strict):
    """Results of one source, made with one protocol."""

    benchmark: str
    protocol: str | None
    """None where the source does not say."""
    source: str
    results: list[PublishedNumber] = Field(min_length=1)


@lru_cache(maxsize=1)
def references() -> tuple[Reference, ...]:
    """All of them, in the order of the file."""
    text = (assets_folder() / "published.yaml").read_text(encoding="utf-8")
    return tuple(Reference.model_validate(one) for one in yaml.safe_load(text))


def reference_lines(benchmark: str, protocol: str | None = None) -> list[str]:
    """One line of text per published result on the benchmark, of one protocol or of all."""
    return [
        f"{result.judge}: {result.overall:.1%} ({one.protocol or 'protocol not stated'}; {one.source})"
        for one in references()
        if one.benchmark == benchmark and protocol in (None, one.protocol)
        for result in one.results
    ]


def off_its_parts(result: PublishedNumber, sizes: Mapping[str, int]) -> float | None:
    """How far a published overall lies from the mean of its parts weighted by their items; None where a part lacks.

    Protocols that drop items from the denominator shift it by some tenths of a point; more is a fault of the source.
    """
    if set(result.parts) != set(sizes):
        return None
    return result.overall - sum(result.parts[name] * n for name, n in sizes.items()) / sum(sizes.values())
