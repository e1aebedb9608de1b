"""The container and the cluster files, as far as they can be held without an engine to build them."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LINES = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text()).splitlines()
STEPS = [line.split(None, 1) for line in LINES if line and not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def steps(name: str) -> list[str]:
    return [rest for word, rest in STEPS if word == name]


def test_image_ends_as_a_user_without_rights_with_volumes_and_a_health_check():
    assert steps("USER") == ["1000"]
    assert "useradd --create-home --uid 1000 judge" in steps("RUN")[0]
    assert [word for word, _ in STEPS].index("USER") < [word for word, _ in STEPS].index("ENTRYPOINT")
    assert steps("VOLUME") == ['["/workspace", "/hub"]']
    assert "HF_HOME=/hub" in steps("ENV")[0]
    assert len(steps("HEALTHCHECK")) == 1


def test_vllm_and_its_torch_are_pinned_and_within_what_the_project_takes():
    arguments = dict(one.split("=", 1) for one in steps("ARG"))
    assert re.fullmatch(r"vllm==\d+\.\d+\.\d+", arguments["VLLM"])
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", arguments["TORCH"])
    assert arguments["EXTRA"].strip("[]") in PROJECT["optional-dependencies"]
    from packaging.requirements import Requirement

    ours = {Requirement(one).name: Requirement(one) for one in PROJECT["dependencies"]}
    assert ours["torch"].specifier.contains(arguments["TORCH"].partition("==")[2])
    served = Requirement(PROJECT["optional-dependencies"]["vllm"][0])
    assert served.specifier.contains(arguments["VLLM"].partition("==")[2])


def test_everything_that_is_copied_is_there():
    for rest in steps("COPY"):
        *sources, _ = shlex.split(rest)
        assert all((ROOT / source).exists() for source in sources)


@pytest.mark.parametrize("command", steps("RUN"))
def test_every_command_of_the_build_is_shell(command):
    subprocess.run(["sh", "-n", "-c", command], check=True)


def test_entry_point_and_its_words_are_the_projects(capsys):
    from engine.cli import main

    assert "judge-studio" in PROJECT["scripts"]
    words = yaml.safe_load(steps("CMD")[0])
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(option in said for option in words if option.startswith("--"))


@pytest.mark.parametrize("name", ["servers.slurm", "run.slurm", "skypilot.yaml"])
def test_cluster_files_are_short_and_whole(name):
    text = (ROOT / "assets" / "cluster" / name).read_text()
    assert len(text.splitlines()) <= 30
    if name.endswith(".yaml"):
        task = yaml.safe_load(text)
        text = f"{task['setup']}\n{task['run']}"
    subprocess.run(["bash", "-n", "-c", text], check=True)


def test_settings_in_the_cluster_files_are_settings():
    from engine.config import flat, load_settings

    known = flat(load_settings())
    for name in ("run.slurm", "skypilot.yaml", "README.md"):
        text = (ROOT / "assets" / "cluster" / name).read_text()
        named = re.findall(r"(?<![\w/.])((?:model|source|synthesize|judge|train|loop)\.[a-z_]+)=", text)
        assert named
        assert set(named) <= set(known)
