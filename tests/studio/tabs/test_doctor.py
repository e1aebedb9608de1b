"""The Doctor tab and the facts behind it."""

import sys
from pathlib import Path

from engine.runs import doctor
from studio.tabs.doctor import show_doctor
from tests.sample_workspace import make_workspace


def test_facts_name_the_versions_and_every_run_on_disk(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    html = show_doctor(workspace, [], is_asking=True)
    for text in ("torch", "gradio", "run shapes-01", "torchvision", "asking torch", "judge-studio doctor"):
        assert text in html
    assert f"--workspace {workspace.root}" in html


def test_missing_extra_says_what_it_would_enable() -> None:
    missing = [fact for fact in doctor.extras() if fact.state == "note"]
    assert all("Would enable" in fact.advice for fact in missing)


def test_report_of_a_folder_that_is_not_there_leaves_its_disk_out(tmp_path: Path) -> None:
    report = doctor.doctor_report(tmp_path / "never")
    topics = {fact.topic for fact in report.facts}
    assert "disk" not in topics
    assert {"installation", "device", "memory", "extras"} <= topics
    text = doctor.report_text(report)
    assert "Device" in text
    assert "cpu" in text
    assert not (tmp_path / "never").exists()


def test_versions_are_read_without_importing_the_libraries() -> None:
    import subprocess

    code = "import sys; from engine.runs import doctor; doctor.installation(); print('torch' in sys.modules)"
    root = Path(__file__).parents[3]
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert out.stdout.strip() == "False"
