"""From the most likely next tokens to the odds of a few given next texts."""

import math
from collections.abc import Sequence


def choice_shares(choices: Sequence[str], tokens: Sequence[tuple[str, float]]) -> tuple[float, ...]:
    """The share of each choice, summing to 1, from (token text, log-probability) rows.

    A token speaks for the choice that it begins; where it begins several, for the one that it is, else for none. White
    space around a token does not matter. A choice that no token begins is less likely than all of them and gets 0;
    if that is true of every choice nothing is known, and all get the same.
    """
    weights = [0.0] * len(choices)
    texts = [choice.strip() for choice in choices]
    for token, log_odds in tokens:
        begun = [index for index, text in enumerate(texts) if token.strip() and text.startswith(token.strip())]
        exact = [index for index in begun if texts[index] == token.strip()]
        meant = exact or begun
        if len(meant) == 1:
            weights[meant[0]] += math.exp(log_odds)
    whole = sum(weights)
    if whole == 0:
        return tuple(1 / len(choices) for _ in choices)
    return tuple(weight / whole for weight in weights)
