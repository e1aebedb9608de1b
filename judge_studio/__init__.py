"""What other programs import of Judge Studio.

    from judge_studio import open_judge          a judge in this process: picture, question, two answers → ruling
    from judge_studio import pairwise_reward     a reward function for TRL's GRPOTrainer, from a judge

The loop itself is the package `engine`, the page the package `studio`; their insides move, these names stay.
"""

from engine.serve.reward import pairwise_reward
from engine.serve.use import Contest, OpenJudge, open_judge

__all__ = ["Contest", "OpenJudge", "open_judge", "pairwise_reward"]
