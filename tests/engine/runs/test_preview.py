"""A handful of pairs made with given settings; nothing of them stays on disk."""

import base64
import tempfile
from pathlib import Path

import pytest

from engine.config import load_settings
from engine.errors import BackendError
from engine.runs.preview import preview_pairs
from engine.workspace.locks import device_lock
from tests.engine.runs.test_loop import reply
from tests.fake_backend import FakeBackend


def test_preview_makes_open_and_closed_pairs_with_their_pictures_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    backend = FakeBackend(reply)
    settings = load_settings(preset="shapes", overrides={"model.device": "cpu"})
    pairs = preview_pairs(settings, count=6, opener=lambda _settings, _root: backend)
    assert len(pairs) == 6
    assert {pair.kind for pair in pairs} == {"open", "closed"}
    assert any(pair.dropped is None and pair.preferred != pair.degraded for pair in pairs)
    for pair in pairs:
        head, _, data = pair.image.partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")
    assert backend.closed
    assert list(tmp_path.iterdir()) == []


def test_preview_beside_a_run_on_the_gpu_is_refused_with_the_holders_name() -> None:
    settings = load_settings(preset="shapes", overrides={"model.device": "cuda"})
    with device_lock("cuda", "run shapes-07"), pytest.raises(BackendError, match="run shapes-07"):
        preview_pairs(settings, opener=lambda _settings, _root: FakeBackend(reply))
