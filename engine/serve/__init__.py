"""A judge in use outside the loop: rulings for many callers at once.

    from engine.serve import open_judge          a judge in this process: picture, question, two answers → ruling
    from engine.serve import pairwise_reward     a reward function for TRL's GRPOTrainer, from a judge

These names stay where they are; what they are made of may move.
"""

from engine.serve.reward import pairwise_reward
from engine.serve.use import Contest, OpenJudge, open_judge

__all__ = ["Contest", "OpenJudge", "open_judge", "pairwise_reward"]
