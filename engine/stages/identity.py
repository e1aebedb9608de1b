"""What a stage's rows depend on, as the flat mapping that goes into identity.json. What only costs time is left out."""

from collections.abc import Iterable
from typing import Any, Literal

from engine.config import Settings
from engine.prompts import PromptPack
from engine.records import content_id


def identity(
    settings: Settings,
    group: Literal["synthesize", "judge", "select", "train", "evaluate"],
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
    values = getattr(settings, group).model_dump(mode="json")
    return fields | {f"{group}.{name}": value for name, value in values.items()}
