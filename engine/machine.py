"""What is said once of a machine and of no run: how much its servers take at once, and what its card costs.

It changes no result, so it is no setting. The file is ~/.config/judge-studio/machine.yaml, or the one that
JUDGE_STUDIO_MACHINE names:

    sequences: 512      # samples under way at once, over all its GPUs; 256 per GPU if not said
    gpus: 8
    card: H100          # as in the plan's table of cards
    price: 2.5          # of one GPU for one hour, in any money
    fsdp: true          # training shares the weights out among the GPUs, for models that do not fit beside each other
    accelerate: /etc/fsdp.yaml    # how training is launched, if not as one process for each GPU
"""

import os
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import SettingsError

MACHINE_VARIABLE = "JUDGE_STUDIO_MACHINE"
SEQUENCES_PER_GPU = 256
"""What vLLM works on at once by default on a large card; fewer leave it idle, more wait in its queue."""


class Machine(BaseModel):
    """See the module. Every value may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sequences: int | None = Field(default=None, ge=1, le=65_536)
    gpus: int = Field(default=1, ge=1, le=4096)
    card: str | None = None
    price: float | None = Field(default=None, ge=0)
    fsdp: bool = False
    accelerate: str | None = None

    @property
    def shares_weights(self) -> bool:
        """Whether no GPU needs to hold all of a model while it is trained, as far as is known."""
        return self.accelerate is not None or (self.fsdp and self.gpus > 1)

    @property
    def in_flight(self) -> int:
        """Samples that are asked for at once."""
        return self.sequences or SEQUENCES_PER_GPU * self.gpus


def machine_file() -> Path:
    """Where it would be said."""
    named = os.environ.get(MACHINE_VARIABLE)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))
    return Path(named) if named else config / "judge-studio" / "machine.yaml"


def this_machine() -> Machine:
    """What the file says; the defaults where there is none. Raises `SettingsError` for one that says something else."""
    path = machine_file()
    try:
        return Machine.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (FileNotFoundError, NotADirectoryError):
        return Machine()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}). Correct or remove the file.") from error
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(map(str, fault["loc"]))
        raise SettingsError(f"{path}: {name} cannot be {fault['input']!r}: {fault['msg']}. Change the value.") from None
