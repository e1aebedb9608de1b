"""What `judge` and `evaluate` show a judge of a picture file is what a run would have stored of it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.backends.base import Completion, Request
from engine.errors import SourceError
from engine.judging.files import rule_file
from engine.judging.judges import resolve_judge
from engine.measure.any_judge import measure
from engine.prompts import load_pack
from engine.sources.pictures.upright import Limits, read_upright
from engine.workspace.folders import open_workspace
from tests.engine.sources.picture_files import file_bytes, picture, rotated_jpeg

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def clear() -> Image.Image:
    """All transparent: what a person sees is the paper."""
    image = picture().convert("RGBA")
    image.putalpha(0)
    return image


def turned_png() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return file_bytes(picture(), "PNG", exif=exif)


def grey16(high: int) -> bytes:
    values = np.linspace(0, high, 40 * 30).reshape(30, 40).astype(np.uint16)
    return file_bytes(Image.fromarray(values), "PNG")


def float_tiff() -> bytes:
    return file_bytes(Image.fromarray(np.linspace(0, 1, 1200, dtype=np.float32).reshape(30, 40)), "TIFF")


FILES = {
    "phone.jpg": rotated_jpeg(6, picture()),
    "phone.png": turned_png(),
    "xmp.jpg": file_bytes(picture(), "JPEG", quality=95, xmp=XMP),
    "clear.png": file_bytes(clear()),
    "sixteen.png": grey16(65535),
    "twelve.png": grey16(4095),
    "float.tiff": float_tiff(),
    "cmyk.jpg": file_bytes(picture().convert("CMYK"), "JPEG", quality=95),
    "named-wrongly.jpg": file_bytes(picture(), "PNG"),
    "large.png": file_bytes(picture(1600, 1200)),
}


class Recorder:
    """Answers [[A]] and keeps the pixels of the files it is shown, read as plainly as any server might."""

    continues = False

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def load_judge(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def generate(self, requests):
        for request in requests:
            self.seen.append(plain_pixels(request))
            yield Completion(key=request.key, sample=0, text="[[A]]", tokens=1, finish="stop")


def plain_pixels(request: Request) -> np.ndarray:
    assert request.image is not None
    return np.asarray(Image.open(io.BytesIO(Path(request.image).read_bytes())).convert("RGB")).astype(int)


def check(seen: list[np.ndarray], data: bytes) -> None:
    wanted = np.asarray(read_upright(data, Limits())).astype(int)
    assert seen
    for pixels in seen:
        assert pixels.shape == wanted.shape
        assert abs(pixels - wanted).mean() < 3, "a large photograph is stored as JPEG"


@pytest.mark.parametrize("name", FILES)
def test_evaluate_shows_the_picture_as_a_run_does(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    row = {"image": name, "question": "Which?", "preferred": "x", "degraded": "y"}
    (tmp_path / "b.jsonl").write_text(json.dumps(row))
    workspace = open_workspace(tmp_path / "ws")
    backend = Recorder()
    judge = resolve_judge("shapes-vlm", workspace)
    measure(backend, judge, benchmark=str(tmp_path / "b.jsonl"), protocol="strict", count=9, workspace=workspace)
    check(backend.seen, FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_judging_a_file_shows_the_picture_as_a_run_does(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    (tmp_path / "c.jsonl").write_text(json.dumps({"image": name, "question": "q", "a": "x", "b": "y"}))
    backend = Recorder()
    out = tmp_path / "o.jsonl"
    list(rule_file(backend, load_pack("default"), tmp_path / "c.jsonl", out, judges={"j": "judge-v0"}))
    check(backend.seen, FILES[name])


def test_every_unreadable_picture_of_a_benchmark_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    good, cut = file_bytes(picture()), rotated_jpeg(1, picture())[:400]
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(cut if number in (3, 5) else good)
    rows = [{"image": f"{n}.png", "question": f"q{n}", "preferred": "x", "degraded": "y"} for n in range(8)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace = open_workspace(tmp_path / "ws")
    backend = Recorder()
    with pytest.raises(SourceError, match=r"line 4: the image cannot be used: .*; .*line 6: the image"):
        measure(
            backend,
            resolve_judge("shapes-vlm", workspace),
            benchmark=str(tmp_path / "b.jsonl"),
            protocol="strict",
            count=99,
            workspace=workspace,
        )
    assert backend.seen == []


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"<!doctype html><p>gone", "a web page"), (b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs pointer"),
     (b"", "empty"), (file_bytes(Image.new("RGB", (1, 1))), "nothing to see"),
     (b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC")],
)  # fmt: skip
def test_file_that_is_no_picture_is_named_with_its_line_before_anything_is_asked(
    tmp_path: Path, data: bytes, said: str
) -> None:
    (tmp_path / "a.png").write_bytes(file_bytes(picture()))
    (tmp_path / "b.png").write_bytes(data)
    rows = [{"image": f"{name}.png", "question": "q", "a": "x", "b": "y"} for name in "ab"]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    backend = Recorder()
    out = tmp_path / "o.jsonl"
    with pytest.raises(SourceError, match=f"line 2: image .*{said}"):
        list(rule_file(backend, load_pack("default"), tmp_path / "c.jsonl", out, judges={"j": "judge-v0"}))
    assert backend.seen == []
    assert not out.exists()
