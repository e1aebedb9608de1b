"""What a stage's rows depend on, and that settings which came later do not lock older runs out."""

from pathlib import Path

import pytest

from engine.config import Settings, parse_settings
from engine.errors import IdentityError
from engine.stages.identity import identity, setting_fields
from engine.workspace.folders import StageFolder


def fields_of(**train: object) -> dict[str, object]:
    return identity(parse_settings({"train": train}, where="test"), "train", None, iteration=1, inputs=())


def test_identity_holds_the_settings_of_its_group_and_of_no_other() -> None:
    fields = fields_of(layers="eyes")
    assert (fields["train.layers"], fields["train.epochs"], fields["loop.seed"]) == ("eyes", 5.0, 0)
    assert not [name for name in fields if name.startswith(("judge.", "evaluate."))]
    assert setting_fields(Settings(), "evaluate.look") == {"evaluate.look": "clear"}


def test_stage_begun_before_a_setting_existed_goes_on_and_then_holds_what_it_began_with(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path / "train", "trial", 1)
    folder.begin({name: value for name, value in fields_of().items() if name != "train.layers"})
    folder.begin(fields_of(layers="language"))
    with pytest.raises(IdentityError, match=r"train\.epochs was 5\.0, now 1\.0"):
        folder.begin(fields_of(epochs=1.0))
