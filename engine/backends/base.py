"""What a stage may ask of a model. It knows no model family, no prompt and no file layout."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from engine.records import BASE_JUDGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn. `temperature=0` is greedy and ignores the other two."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """0 = no limit."""
    max_tokens: int = 512
    """New tokens per sample."""
    stop: tuple[str, ...] = ()
    """Texts that end a sample; the stop text itself is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn."""

    role: Literal["system", "user", "assistant"]
    text: str
    """Untrusted: text that looks like a special token stays plain text."""
    pictures: tuple[tuple[int, Path], ...] = ()
    """Pictures inside the text: (letters before it, file), in the order shown."""

    def pieces(self) -> Iterator[str | Path]:
        """The text, cut where its pictures stand, and these between."""
        done = 0
        for place, picture in self.pictures:
            if place > done:
                yield self.text[done:place]
            yield picture
            done = place
        if done < len(self.text) or not self.pictures:
            yield self.text[done:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt, asked `n` times."""

    key: str
    """The caller's name for it; comes back in every completion."""
    messages: tuple[Message, ...]
    image: Path | None = None
    """The one picture, shown before the first user turn's text. None without any, or where turns hold their own."""
    n: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    """Sample i depends on (seed, i) and the prompt alone, not on what shares its batch."""
    judge: str = BASE_JUDGE
    """Judge version that answers, registered with `Backend.load_judge`."""
    prefix: str = ""
    """Text the reply starts with, e.g. to force a verdict position. Not repeated in the completion."""
    choices: tuple[str, ...] = ()
    """If given, nothing is sampled: the completion holds the probability of each as the next text."""

    @property
    def pictures(self) -> tuple[Path, ...]:
        """All pictures in the order shown."""
        inside = tuple(picture for message in self.messages for _, picture in message.pictures)
        return inside or (() if self.image is None else (self.image,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One finished sample."""

    key: str
    sample: int
    """0-based index below the request's `n`."""
    text: str
    tokens: int
    """Tokens written, the end token not counted."""
    finish: Literal["stop", "length"]
    """"length" when `max_tokens` cut it off."""
    choice_probabilities: tuple[float, ...] = ()
    """Same order as `Request.choices`, summing to 1 over them; () if none were asked for or there is a `fault`."""
    thinking: str = ""
    """What the model thought before `text`, where a server tells the two apart; else it is part of the text."""
    fault: str | None = None
    """Why this request cannot be answered, however often it is asked (an image the server cannot read, a prompt too
    long for the model); the text is then empty. None for an answer."""


class Backend(Protocol):
    """A base model with any number of judge versions on top.

    `generate` raises `BackendError` when the model cannot go on, after yielding all it got, and `ModelError` for an
    unknown judge version. A fault of one request is a completion that says so.
    """

    continues: bool
    """Whether a reply can be continued from a prefix and adapters be loaded, which not every server can."""

    def load_judge(self, judge: str, adapter: Path) -> None:
        """Make the PEFT folder `adapter` answer to the name `judge`. Loading a name twice is an error
        unless it is the same folder. Raises `ModelError` if it belongs to another base."""

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield every sample of every request once, each as it finishes, in no promised order."""

    def stream(self, request: Request) -> Iterator[str | Completion]:
        """Yield the first sample's text in pieces, then its completion, the same that `generate` would give."""

    def close(self) -> None:
        """Free the model and its memory. Nothing may be asked afterwards."""
