"""What a stage's rows depend on, as the flat mapping that goes into identity.json. What only costs time is left out.

A field may come with a new version: `StageFolder.begin` compares those that both sides know.
"""

from collections.abc import Iterable
from typing import Any, Literal

from engine.config import Settings, flat
from engine.prompts import PromptPack
from engine.records import content_id

Group = Literal["synthesize", "judge", "select", "train", "evaluate"]
"""Stages that have settings of their own, under their name."""


def identity(
    settings: Settings,
    group: Group,
    pack: PromptPack | None,
    *,
    iteration: int,
    inputs: Iterable[str],
    **more: Any,
) -> dict[str, Any]:
    """Base model, seed, the settings of `group`, the text of the prompt pack, and the ids of the rows worked on.

    The order of `inputs` does not matter. `more` are further fields, e.g. the judge's name.
    """
    fields: dict[str, Any] = {
        "model.base": settings.model.base,
        "model.revision": settings.model.revision,
        "loop.seed": settings.loop.seed,
        "iteration": iteration,
        "inputs": content_id(*sorted(inputs)),
        **more,
    }
    if pack is not None:
        fields |= {"prompts": pack.name, "text of the prompts": content_id(pack.model_dump_json())}
    return fields | setting_fields(settings, group)


def setting_fields(settings: Settings, *names: str) -> dict[str, Any]:
    """The settings of a group ("train"), or single ones ("evaluate.look"), by their full names."""
    return {key: value for key, value in flat(settings).items() if key in names or key.partition(".")[0] in names}
