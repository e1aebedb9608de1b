"""What a stage's rows depend on, and that settings which came later do not lock older runs out."""

from engine.config import Settings, parse_settings
from engine.stages.identity import identity, setting_fields


def test_settings_that_came_later_are_left_out_while_they_have_their_default() -> None:
    fields = identity(Settings(), "train", None, iteration=1, inputs=())
    assert "train.layers" not in fields
    assert fields["train.epochs"] == 5.0


def test_settings_that_came_later_are_part_of_the_identity_once_they_are_set() -> None:
    settings = parse_settings(
        {"train": {"layers": "eyes", "augment": ["haze"]}, "source": {"look": "fog"}}, where="test"
    )  # fmt: skip
    assert identity(settings, "train", None, iteration=1, inputs=())["train.layers"] == "eyes"
    assert setting_fields(settings, "source")["source.look"] == "fog"
    assert setting_fields(settings, "train.augment") == {"train.augment": ["haze"]}
