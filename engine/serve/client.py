"""The other end of `judge-studio serve`: many comparisons by URL, as if the judge were here."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from engine.errors import BackendError
from engine.judging.ruling import OrderRuling, Ruling
from engine.serve.pictures import Picture
from engine.serve.use import Contest

_SECONDS = 600.0
"""A large judge may take minutes over a batch."""


class JudgeByUrl:
    """A judge behind `judge-studio serve` at `url`, e.g. "http://127.0.0.1:8008"."""

    def __init__(self, url: str, *, key: str | None = None) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}

    def rule_all(self, asked: Iterable[Contest]) -> list[Ruling]:
        """Rulings on many, in their order. Raises `BackendError` with the server's own sentence."""
        comparisons = [_sent(one) for one in asked]
        if not comparisons:
            return []
        try:
            answer = httpx.post(
                f"{self._url}/v1/judge",
                json={"comparisons": comparisons},
                headers=self._headers,
                timeout=_SECONDS,
                trust_env=False,
            )
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise BackendError(
                f"judge at {self._url}: does not answer ({error}). Is `judge-studio serve` up?"
            ) from None
        if answer.status_code != httpx.codes.OK:
            raise BackendError(f"judge at {self._url}: {found['error']['message']}")
        return [_ruling(self._url, row) for row in found["rulings"]]


def sent(picture: Picture | None) -> str | None:
    """A picture as a data: URL."""
    if picture is None:
        return None
    if isinstance(picture, Image.Image):
        file = io.BytesIO()
        picture.save(file, "PNG")
        data = file.getvalue()
    else:
        data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    return f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"


def _sent(asked: Contest) -> dict[str, Any]:
    """As `/v1/judge` takes it."""
    row: dict[str, Any] = {"image": sent(asked.image), "question": asked.question, "a": asked.a, "b": asked.b}
    if asked.more_images:
        row["image"] = [row["image"], *map(sent, asked.more_images)]
    for name, pictures in (("a_images", asked.a_images), ("b_images", asked.b_images)):
        if pictures:
            row[name] = [*map(sent, pictures)]
    return row


def _ruling(url: str, row: dict[str, Any]) -> Ruling:
    if "error" in row:
        raise BackendError(f"judge at {url}: {row['error']['message']}")
    orders = tuple(OrderRuling(**order) for order in row["orders"])
    return Ruling(key=row["key"], judge=row["judge"], verdict=row["verdict"], prefers_a=row["prefers_a"], orders=orders)
