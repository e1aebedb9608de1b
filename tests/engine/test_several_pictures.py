"""Several pictures of one comparison, from a file of a person's own to what each backend is sent."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.backends.base import Message, Request
from engine.backends.served.openai import OpenAIBackend
from engine.config import Settings
from engine.errors import SourceError
from engine.judging.files import read_comparisons, rule_file
from engine.judging.judges import JudgeRef
from engine.measure.any_judge import leak_scores, measure
from engine.measure.benchmarks.jsonl import load_jsonl
from engine.measure.prepared import home_of
from engine.prompts import judge_messages, load_pack
from engine.records import BenchmarkItem
from engine.workspace.folders import Workspace, open_workspace
from tests.engine.measure.benchmarks.test_mmrb2 import built  # noqa: F401  a fixture
from tests.engine.sources.picture_files import file_bytes, picture
from tests.fake_backend import FakeBackend

PACK = load_pack("default")


def shown(message: Message) -> list[str]:
    """The names of the pictures, each behind the last word before it."""
    return [
        f"{before.split()[-2]} {before.split()[-1]} {piece.name}"
        for before, piece in zip([None, *message.pieces()], message.pieces(), strict=False)
        if isinstance(piece, Path) and isinstance(before, str)
    ]


def test_pictures_stand_behind_their_names_and_those_without_one_before_the_text() -> None:
    files = {"question": (Path("q1"), Path("q2")), "a": (Path("a1"),), "b": (Path("b1"), Path("b2"))}
    (user,) = judge_messages(
        PACK, "Is <image 2> newer?", "Look at this", "First <image 2>, then <image 1>, <image 2> again", pictures=files
    )
    assert shown(user) == ["<image 1> q1", "<image 2> q2", "<image 1> a1", "<image 2> b2", "<image 1> b1"]
    plain = judge_messages(PACK, "Is <image 2> newer?", "x", "<image 1>")
    assert plain[0].pictures == ()


def test_server_is_sent_every_picture_at_its_place(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(file_bytes(picture(seed=len(name))))
    message = Message(role="user", text="Left right", pictures=((4, tmp_path / "one.png"), (10, tmp_path / "two.png")))
    backend = OpenAIBackend.__new__(OpenAIBackend)
    backend._readable = None
    (sent,) = backend._messages(Request(key="k", messages=(message,)))
    assert [part["type"] for part in sent["content"]] == ["text", "image_url", "text", "image_url"]
    assert [part["text"] for part in sent["content"] if part["type"] == "text"] == ["Left", " right"]
    (plain,) = backend._messages(Request(key="k", messages=(Message(role="user", text="Hi"),)))
    assert plain["content"] == "Hi"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "ws")


def bare() -> JudgeRef:
    return JudgeRef(label="some-model", settings=Settings(), version="judge-v0", adapter=None, run=None)


def test_mmrb2_is_measured_whole_with_every_picture_from_the_store(workspace: Workspace, built: Path) -> None:  # noqa: F811
    says_a = FakeBackend(lambda _request, _sample: '{"better_response": "A"}')
    found = measure(
        says_a, bare(), benchmark=f"mmrb2={built}", protocol="mmrb2-official", workspace=workspace, partial=True
    )
    assert found.items == 3
    assert found.notes[0] == "1 of 4 rows are left out because their picture is missing or cannot be read."
    counts = {request.key.split()[0]: len(request.pictures) for request in says_a.requests}
    assert sorted(counts.values()) == [1, 2, 3]
    files = [picture for request in says_a.requests for picture in request.pictures]
    assert all(file.is_file() and file.is_relative_to(workspace.images) for file in files)
    orders = [request for request in says_a.requests if len(request.pictures) == 2]
    assert orders[0].pictures == tuple(reversed(orders[1].pictures))  # the responses change places with their pictures
    (folder,) = home_of(bare(), workspace).folder.glob("iteration-00/evaluate-*")
    assert (folder / "done.json").is_file()


def test_other_pictures_are_shown_only_where_there_is_one_to_exchange(workspace: Workspace, built: Path) -> None:  # noqa: F811
    backend = FakeBackend(lambda _request, _sample: "[[A]]")
    leak_scores(backend, bare(), benchmark=f"mmrb2={built}", protocol="strict", workspace=workspace)
    assert backend.requests == []  # one item of one picture: there is no other


def own_file(folder: Path, **more: Any) -> Path:
    for seed, name in enumerate(("one", "two", "three")):
        (folder / f"{name}.png").write_bytes(file_bytes(picture(seed=seed)))
    row = {"image": ["one.png", "two.png"], "question": "Which is newer?", "a": "first", "b": "second"} | more
    path = folder / "mine.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return path


def test_own_benchmark_file_may_name_several_pictures(tmp_path: Path) -> None:
    path = own_file(tmp_path, better="B", a_images=["three.png"])
    (item,) = load_jsonl(path, folder=tmp_path / "scratch")
    assert [Path(name).name for name in (item.image, *item.more_images)] == ["one.png", "two.png"]
    assert (item.preferred_images, [Path(name).name for name in item.degraded_images]) == ((), ["three.png"])
    (alone,) = load_jsonl(own_file(tmp_path, better="A", image=None, b_images="two.png"), folder=tmp_path)
    assert (alone.image, alone.pictures) == ("", 1)
    with pytest.raises(SourceError, match=r"line 1: the image cannot be used: there is no such file"):
        load_jsonl(own_file(tmp_path, better="A", image=["one.png", "gone.png"]), folder=tmp_path)


def test_file_of_comparisons_may_name_several_pictures(tmp_path: Path) -> None:
    backend = FakeBackend(lambda _request, _sample: "[[A]]")
    source = own_file(tmp_path, b_images=["three.png"])
    assert sum(rule_file(backend, PACK, source, tmp_path / "out.jsonl", judges={"mine": "judge-v0"})) == 1
    assert [len(request.pictures) for request in backend.requests] == [3, 3, 3, 3]
    assert json.loads((tmp_path / "out.jsonl").read_text())["image"] == ["one.png", "two.png"]


def test_pictures_of_a_comparison_are_never_left_out_without_a_word(tmp_path: Path) -> None:
    ((_, called_images, _),) = read_comparisons(own_file(tmp_path, image=None, images=["one.png", "two.png"]))
    assert [file.name for file in called_images.pictures] == ["one.png", "two.png"]
    with pytest.raises(SourceError, match="line 1: its image is a list of none"):
        read_comparisons(own_file(tmp_path, image=[]))
    ((_, blind, _),) = read_comparisons(own_file(tmp_path, image=None))
    assert blind.pictures == ()


def test_rows_of_older_workspaces_have_one_picture() -> None:
    item = BenchmarkItem(
        item_id="i", benchmark="b", image_id="p", image="images/p.png", question="q", preferred="x", degraded="y",
        kind="open", dimension="d",
    )  # fmt: skip
    assert item.has_one_picture
    assert item.comparison(Path("p.png")).pictures == (Path("p.png"),)
    assert not item.comparison(Path("p.png")).has_several_pictures
