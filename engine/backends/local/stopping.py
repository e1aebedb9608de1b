"""When a sample is over, and the text it amounts to: end tokens, stop texts, pieces that arrive token by token."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_UNFINISHED = "\ufffd"
"""What a tokenizer shows for a character whose last bytes are still to come."""


class ReplyText:
    """Token ids to text for one tokenizer.

    `anchor` are the ids of a forced beginning: text is decoded behind them, so that a leading space survives in
    tokenizers that drop it at the start of a text.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._risky: dict[tuple[str, ...], NDArray[np.bool_]] = {}

    def decode(self, ids: Sequence[int], anchor: Sequence[int] = ()) -> str:
        """The text of `ids`, special tokens left out."""
        if not anchor:
            return self._plain(ids)
        before = self._plain(anchor)
        return self._plain([*anchor, *ids])[len(before) :]

    def cut(self, text: str, stops: Sequence[str]) -> str | None:
        """`text` up to the end of the stop text that is complete first; None if it holds none."""
        ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
        return text[: min(ends)] if ends else None

    def may_complete(self, stops: tuple[str, ...], vocabulary: int) -> NDArray[np.bool_]:
        """For each token id whether it can be the last token of one of `stops`; saves decoding after every token."""
        if stops not in self._risky:
            ends = {stop[-1] for stop in stops if stop} | {_UNFINISHED}
            pieces = self._tokenizer.batch_decode(
                [[token] for token in range(vocabulary)],
                skip_special_tokens=False,
                clean_up_tokenization_spaces=False,
            )
            self._risky[stops] = np.array([not piece or bool(ends & set(piece)) for piece in pieces])
        return self._risky[stops]

    def _plain(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


class PieceReader:
    """Turns a growing list of token ids into pieces of text that never have to be taken back."""

    def __init__(self, replies: ReplyText, *, stops: Sequence[str], anchor: Sequence[int]) -> None:
        self._replies = replies
        self._stops = stops
        self._anchor = anchor
        self._sent = 0

    def piece(self, ids: Sequence[int]) -> str:
        """What `ids` add to the text that was returned before; "" while a character is incomplete."""
        text = self._replies.decode(ids, self._anchor)
        if text.endswith(_UNFINISHED):
            return ""
        return self._send(text)

    def last(self, text: str) -> str:
        """What the finished reply `text` still adds."""
        return self._send(text)

    def _send(self, text: str) -> str:
        stopped = self._replies.cut(text, self._stops)
        text = text if stopped is None else stopped
        piece, self._sent = text[self._sent :], max(self._sent, len(text))
        return piece
