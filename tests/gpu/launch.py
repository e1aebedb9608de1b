"""Training as machine.yaml asks for it: one process, two that share a batch, and two that share the weights out (FSDP).

    python tests/gpu/launch.py cuda       on two GPUs, by `accelerate launch`
    python tests/gpu/launch.py            on a CPU: accelerate starts several processes for GPUs only, so torch's own
                                          launcher starts two, which talk over gloo; FSDP by way of cpu_fsdp.py

Trains the second version of a small made run each time, as the loop would, in a child process.
Prints one line a way: seconds, the loss of each step, and how far the adapter is from that of one process.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from safetensors.torch import load_file  # noqa: E402

from engine.machine import Machine  # noqa: E402
from engine.records import Step  # noqa: E402
from engine.stages.train import child  # noqa: E402
from engine.workspace.folders import RunFolder  # noqa: E402
from engine.workspace.progress import Progress  # noqa: E402
from engine.workspace.state import read_state  # noqa: E402
from tests.made_run import made_run  # noqa: E402
from tests.tiny_models import save_tiny_llava  # noqa: E402

COMMON = "compute_environment: LOCAL_MACHINE\nnum_machines: 1\nnum_processes: 2\nmachine_rank: 0\n"
TORCH = "torch's own launcher"
SHARED = "the same, with the weights shared out"
TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0")
WAYS = {
    "cpu": {"one": None, "two": TORCH, "two by FSDP": SHARED},
    "cuda": {
        "one": None,
        "two": COMMON + "distributed_type: MULTI_GPU\nmixed_precision: bf16\n",
        "two by FSDP": COMMON
        + "distributed_type: FSDP\nmixed_precision: bf16\nfsdp_config:\n  fsdp_version: 2\n"
        + "  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP\n  fsdp_reshard_after_forward: true\n"
        + "  fsdp_state_dict_type: FULL_STATE_DICT\n  fsdp_cpu_ram_efficient_loading: false\n",
    },
}


def trained(folder: Path, accelerate: str | None) -> RunFolder:
    """A run whose second version was trained in this way."""
    run = made_run(folder / "ws", save_tiny_llava(folder / "tiny", width=64, vision_layers=1, layers=2))
    shutil.rmtree(run.stage(2, "train").folder)
    config = folder / "accelerate.yaml"
    config.write_text(accelerate or "")
    usual = child.launcher
    if accelerate in (TORCH, SHARED):
        trains = (
            ["-m", "engine.stages.train"] if accelerate == TORCH else [str(Path(__file__).with_name("cpu_fsdp.py"))]
        )
        child.launcher = lambda _machine: [sys.executable, *TORCHRUN, *trains]
    machine = Machine(accelerate=str(config) if accelerate else None)
    child.train_in_child(run, 2, machine=machine, progress=Progress(run, read_state(run)))
    child.launcher = usual
    return run


def main() -> None:
    os.environ["ACCELERATE_USE_CPU"] = str(len(sys.argv) < 2).lower()
    ways = WAYS[sys.argv[1] if len(sys.argv) > 1 else "cpu"]
    first = None
    with tempfile.TemporaryDirectory() as scratch:
        for way, config in ways.items():
            began = time.perf_counter()
            run = trained(Path(scratch) / way.replace(" ", "-"), config)
            seconds = time.perf_counter() - began
            weights = load_file(run.adapter(2) / "adapter_model.safetensors")
            first = first or weights
            assert weights.keys() == first.keys()
            furthest = max(float((weights[name] - first[name]).abs().max()) for name in weights)
            losses = " ".join(f"{step.loss:.4f}" for step in run.stage(2, "train").read("steps", Step))
            print(f"{way}: {seconds:.1f} s, loss {losses}, furthest weight {furthest:.2g}", flush=True)


if __name__ == "__main__":
    main()
