"""What every test needs: device locks of its own, patience that fits the machine, no network for the hub libraries."""

import os
from pathlib import Path

import hypothesis
import pytest

from tests.patience import seconds

hypothesis.settings.register_profile("no deadline", deadline=None)  # a busy machine is not a failure
hypothesis.settings.load_profile("no deadline")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """The limit of each test grows with the slowness of the machine; one given on the command line stays."""
    if config.pluginmanager.hasplugin("timeout") and config.getoption("timeout", None) is None:
        config.option.timeout = seconds(float(config.getini("timeout") or 0)) or None


@pytest.fixture(autouse=True)
def _own_device_locks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("locks")
    monkeypatch.setenv("JUDGE_STUDIO_LOCKS", str(folder))
    return folder
