"""The app as a server: what it lets in, what it gives out, what it imports, how it ends."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import pytest

from engine.errors import UsageError
from engine.serve.binding import is_loopback
from engine.workspace.folders import open_workspace
from studio.page.page import create_page
from studio.server.binding import check_bind, read_password
from tests.patience import seconds
from tests.sample_workspace import make_workspace
from tests.studio_server import ROOT, Server, studio_server

MODEL_LIBRARIES = ("torch", "transformers", "peft", "trl", "datasets", "accelerate", "vllm")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_workspace(tmp_path_factory.mktemp("app") / "ws").root
    (root / "studio.sqlite").write_bytes(b"notes")
    (root / "images" / "seen.jsonl").write_text("[]")
    return root


@pytest.fixture(scope="module")
def server(workspace: Path) -> Iterator[Server]:
    with studio_server(workspace) as server:
        yield server


def fetch(server: Server, path: str, **options: object) -> httpx.Response:
    return httpx.get(f"{server.url}{path}", timeout=seconds(60), **options)  # type: ignore[arg-type]


def test_page_is_served_with_headers_that_keep_others_out(server: Server) -> None:
    answer = fetch(server, "/")
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_pictures_are_served_and_nothing_else_of_the_workspace(server: Server, workspace: Path) -> None:
    picture = next((workspace / "images").glob("*/*.png"))
    assert fetch(server, f"/gradio_api/file={picture}").status_code == 200
    for path in (
        "studio.sqlite",
        "workspace.json",
        "runs/shapes-01/config.yaml",
        "runs/shapes-01/state.json",
        "images/seen.jsonl",
        "images/%2e%2e/studio.sqlite",
        "images/%2e%2e/runs/shapes-01/config.yaml",
    ):
        assert fetch(server, f"/gradio_api/file={workspace}/{path}").status_code in (403, 404), path
        assert fetch(server, f"/gradio_api/file=images/%2e%2e/{path}").status_code in (403, 404), path
    assert fetch(server, f"/gradio_api/file=images/{picture.parent.name}/{picture.name}").status_code == 200
    assert fetch(server, "/gradio_api/file=/etc/passwd").status_code in (403, 404)


def test_address_of_a_picture_does_not_say_where_the_workspace_lies(server: Server, workspace: Path) -> None:
    picture = next((workspace / "images").glob("*/*.png")).relative_to(workspace)
    with gr.Blocks(analytics_enabled=False):
        address = create_page(open_workspace(workspace)).image_url(str(picture))
    assert address == f"gradio_api/file={picture}"
    answer = fetch(server, f"/{address}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    for path in ("images/seen.jsonl", "images/%2e%2e/studio.sqlite", "images/..%2fruns/shapes-01/config.yaml"):
        assert fetch(server, f"/gradio_api/file={path}").status_code in (403, 404), path


def test_link_out_of_the_image_folder_is_not_followed(server: Server, workspace: Path) -> None:
    link = workspace / "images" / "out.png"
    link.symlink_to(workspace / "studio.sqlite")
    try:
        assert fetch(server, f"/gradio_api/file={link}").status_code in (403, 404)
    finally:
        link.unlink()


def test_server_fetches_nothing_for_others(server: Server) -> None:
    for path in ("/gradio_api/file=http://127.0.0.1:1/x", "/gradio_api/file/https://example.org/x"):
        answer = fetch(server, path)
        assert answer.status_code == 403
        assert "fetches nothing" in answer.text


def test_name_of_another_machine_is_refused(server: Server) -> None:
    answer = fetch(server, "/", headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert fetch(server, "/", headers={"Host": f"localhost:{server.port}"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1.evil.example", "null", "http://[", ""])
def test_upload_from_another_web_page_is_refused(server: Server, origin: str) -> None:
    answer = upload(server, origin)
    assert answer.status_code == 403
    assert "takes nothing from other web pages" in answer.text


def test_upload_from_a_page_of_this_machine_or_no_page_is_taken(server: Server) -> None:
    for origin in (server.url, f"http://localhost:{server.port}", "http://[::1]:7860", None):
        assert upload(server, origin).status_code == 200, origin


def upload(server: Server, origin: str | None) -> httpx.Response:
    headers = {} if origin is None else {"Origin": origin}
    files = {"files": ("a.png", b"x")}
    return httpx.post(f"{server.url}/gradio_api/upload", files=files, headers=headers, timeout=seconds(60))


def test_listeners_of_the_page_are_no_public_api(server: Server) -> None:
    named = fetch(server, "/gradio_api/info").json()["named_endpoints"]
    assert set(named) <= {"/runs", "/pairs", "/scores", "/judge"}


def test_port_in_use_is_one_sentence_and_exit_code_1(server: Server, workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "studio", "--workspace", str(workspace), "--port", str(server.port), "--no-browser"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=seconds(60),
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Address already in use" in done.stderr


def test_wider_bind_without_a_password_is_refused_before_anything_is_served() -> None:
    with pytest.raises(UsageError, match="needs a password"):
        check_bind("0.0.0.0", 0, has_password=False)
    check_bind("127.0.0.1", 0, has_password=False)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False), ("192.168.1.4", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_loopback_is_told_from_other_addresses(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


def test_password_file_is_read_and_its_faults_are_sentences(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("geheim ü\n")
    path.chmod(0o600)
    assert read_password(f"me:{path}") == ("me", "geheim ü")
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        read_password(f"me:{path}")
    path.chmod(0o600)
    path.write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        read_password(f"me:{path}")
    for auth in ("me", "me:", f":{path}", f"me:{tmp_path}/none"):
        with pytest.raises(UsageError):
            read_password(auth)


def test_password_guards_pages_and_pictures(workspace: Path, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("geheim")
    path.chmod(0o600)
    picture = next((workspace / "images").glob("*/*.png"))
    with (
        studio_server(workspace, "--auth", f"me:{path}") as server,
        httpx.Client(base_url=server.url, timeout=seconds(60)) as client,
    ):
        assert client.get(f"/gradio_api/file={picture}").status_code == 401
        assert client.get("/config").status_code == 401
        assert client.get("/finished/").status_code == 303
        assert client.get("/finished/config").status_code == 401
        assert client.post("/login", data={"username": "me", "password": "falsch"}).status_code == 400
        assert client.post("/login", data={"username": "me", "password": "geheim"}).status_code == 200
        page = client.get("/config").text
        for place in (str(workspace), sys.prefix, str(ROOT), str(Path.home() / "")):
            assert place not in page, "what is served at first says of nothing where it lies"
        assert client.get(f"/gradio_api/file={picture}").status_code == 200
        assert client.get("/finished/config").status_code == 200


def test_studio_process_imports_no_model_library(workspace: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom engine.workspace.folders import open_workspace\n"
        "from studio.app import build_app\n"
        f"build_app(open_workspace(Path({str(workspace)!r})))\n"
        f"print([name for name in {MODEL_LIBRARIES!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=seconds(120))
    assert done.stdout.strip() == "[]", done.stderr


def test_server_ends_on_sigterm_and_leaves_its_port(workspace: Path) -> None:
    with studio_server(workspace) as server:
        port = server.port
    assert server.process.returncode == 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
