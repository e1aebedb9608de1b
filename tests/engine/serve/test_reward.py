"""The reward function: who meets whom, what a flip is worth, pictures of every kind, and TRL's own GRPO trainer."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from engine.backends.base import Request
from engine.errors import BackendError, UsageError
from engine.judging.judges import resolve_judge
from engine.serve import pairwise_reward
from engine.serve.pictures import PictureShelf
from engine.serve.use import OpenJudge
from engine.sources.pictures.upright import Limits
from engine.workspace.folders import open_workspace
from tests.engine.serve.judge_server import judge_server
from tests.fake_backend import FakeBackend
from tests.tiny_models import save_scenes, save_tiny_llava


def longer_wins(request: Request, _sample: int) -> str:
    _, _, after = request.messages[-1].text.partition("Response A: ")
    first, _, second = after.partition("\nResponse B: ")
    second = second.removesuffix("\nWhich response is better?")
    return "Same. [[A]]" if len(first) == len(second) else f"[[{'A' if len(first) > len(second) else 'B'}]]"


def sure(request: Request) -> list[float]:
    said = longer_wins(request, 0)
    return [0.9, 0.1] if said.endswith("[[A]]") else [0.1, 0.9]


class Talk(FakeBackend):
    """A fake whose odds can be asked for, or not."""

    def __init__(self, *, continues: bool = True) -> None:
        super().__init__(longer_wins, choose=sure)
        self.continues = continues


@pytest.fixture
def ref(tmp_path: Path):
    return resolve_judge("shapes-vlm", open_workspace(tmp_path / "ws"))


@pytest.fixture
def judge(ref) -> Iterator[OpenJudge]:
    shelf = PictureShelf(Limits())
    opened = OpenJudge(Talk(continues=False), [ref], shelf)
    yield opened
    opened.close()
    shelf.close()


def test_each_completion_meets_its_neighbours_in_the_ring_of_its_prompt(judge):
    reward = pairwise_reward(judge)
    assert reward(["Q1"] * 3 + ["Q2"] * 2, ["a", "aaa", "aa", "bb", "b"]) == [0.0, 1.0, 0.5, 1.0, 0.0]


def test_one_question_about_two_pictures_is_two_groups(judge, tmp_path):
    one, other = (Image.open(path) for path in save_scenes(tmp_path, 2))
    again = Image.open(one.filename)
    found = pairwise_reward(judge)(["Q"] * 4, ["a", "aa", "aaa", "aaaa"], image=[one, again, other, other])
    assert found == [0.0, 1.0, 0.0, 1.0]


def test_ruling_that_follows_the_place_is_worth_one_half(judge):
    assert pairwise_reward(judge)(["Q"] * 2, ["aa", "bb"]) == [0.5, 0.5]


def test_completion_without_a_rival_has_no_reward(judge):
    assert pairwise_reward(judge)(["Q1", "Q2"], ["a", "b"]) == [None, None]


def test_reference_column_is_what_completions_are_compared_with(judge):
    reward = pairwise_reward(judge, against="answer")
    assert reward(["Q", "Q"], ["a", "aaa"], answer=["aa", "aa"]) == [0.0, 1.0]
    with pytest.raises(UsageError, match="there is no column 'answer'"):
        reward(["Q"], ["a"], solution=["b"])


def test_picture_comes_from_columns_or_the_prompt_and_two_are_refused(judge, tmp_path):
    path = save_scenes(tmp_path, 1)[0]
    picture = Image.open(path)
    turn = {"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": "Q"}]}
    said = [[{"role": "assistant", "content": "a"}], [{"role": "assistant", "content": "aa"}]]
    reward = pairwise_reward(judge)
    assert reward([[turn], [turn]], said) == [0.0, 1.0]
    assert reward(["Q", "Q"], ["a", "aa"], images=[[path], [path]]) == [0.0, 1.0]
    raw = {"bytes": path.read_bytes(), "path": None}
    assert reward(["Q", "Q"], ["a", "aa"], image=[raw, raw]) == [0.0, 1.0]
    with pytest.raises(UsageError, match="row 0 has 2 pictures"):
        reward(["Q"], ["a"], images=[[path, path]])


def test_judge_behind_an_address_gives_the_chances_that_it_was_sure_of(ref, tmp_path):
    file = io.BytesIO()
    Image.open(save_scenes(tmp_path, 1)[0]).save(file, "PNG")
    with judge_server(Talk(), [ref], key="k") as url:
        reward = pairwise_reward(url, key="k")
        assert reward(["Q", "Q"], ["a", "aa"], image=[file.getvalue()] * 2) == pytest.approx([0.1, 0.9])
        with pytest.raises(BackendError, match="a wrong key"):
            pairwise_reward(url, key="x")(["Q", "Q"], ["a", "aa"])


@pytest.mark.model
def test_trl_trains_three_steps_on_it_with_pictures(judge, tmp_path):
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageColumn
    from trl import GRPOConfig, GRPOTrainer

    scenes = [str(path) for path in save_scenes(tmp_path / "scenes", 6)]
    turns = [{"role": "user", "content": "What is it?"}]
    features = Features({"prompt": [{"role": Value("string"), "content": Value("string")}], "image": ImageColumn()})
    rows = Dataset.from_dict({"prompt": [turns] * 6, "image": scenes}, features=features)
    settings = GRPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=3, per_device_train_batch_size=4, num_generations=4,
        max_completion_length=6, use_cpu=True, bf16=False, report_to=[], save_strategy="no", logging_steps=1,
        disable_tqdm=True, learning_rate=1e-3, gradient_checkpointing=False,
    )  # fmt: skip
    base = save_tiny_llava(tmp_path / "tiny", width=64, vision_layers=1, layers=1)
    trainer = GRPOTrainer(str(base), reward_funcs=pairwise_reward(judge), args=settings, train_dataset=rows)
    trainer.train()
    logged = [row for row in trainer.state.log_history if "rewards/judge_reward/mean" in row]
    assert len(logged) == 3
    assert all(row["rewards/judge_reward/mean"] == pytest.approx(0.5) for row in logged)  # every win is another's loss
    assert any(row["rewards/judge_reward/std"] > 0 for row in logged)
