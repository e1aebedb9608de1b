"""A judge in use outside the loop: rulings for many callers at once.

    from engine.serve import open_judge          a judge in this process: picture, question, two answers → ruling
    from engine.serve import pairwise_reward     a reward function for TRL's GRPOTrainer, from a judge

These names stay where they are; what they are made of may move.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.serve.reward import pairwise_reward
    from engine.serve.use import Contest, OpenJudge, open_judge

_HOME = {"Contest": "use", "OpenJudge": "use", "open_judge": "use", "pairwise_reward": "reward"}

__all__ = ["Contest", "OpenJudge", "open_judge", "pairwise_reward"]


def __getattr__(name: str) -> Any:
    """Imported when it is first asked for: a command that only checks a port needs no judge."""
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
