"""engine.stages.train over processes on a CPU that share the weights out. accelerate has FSDP for GPUs only, though
torch's own works over gloo, too: so it is told. Started by `launch.py`; its arguments are those of the train stage."""

import os
import sys
from pathlib import Path
from typing import Any

from accelerate import state
from accelerate.utils import DistributedType

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.stages.train.__main__ import main

WORDS = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
}
"""What `accelerate launch` makes of `engine.stages.train.child.FSDP`, but the number format."""
USUAL = state.AcceleratorState.__init__


def with_shares(self: Any, *words: Any, **named: Any) -> None:
    USUAL(self, *words, **named)
    plugin = named.get("fsdp_plugin")
    if plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.FSDP
        self.fsdp_plugin = plugin
        state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP


if __name__ == "__main__":
    os.environ.update(WORDS)
    state.AcceleratorState.__init__ = with_shares
    sys.exit(main())
