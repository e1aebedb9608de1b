"""Make a folder of photographs to try a run on, from those that an installed Gradio ships, and files gone wrong.

    python tests/bench/photo_folder.py /tmp/photos
    judge-studio run source.kind=folder source.path=/tmp/photos source.questions_per_image=8 --iterations 1

Several sizes and formats, one animation, one CMYK print, one photograph with rotation metadata, and beside them a
broken file, an empty one, text named .png, an SVG, a bomb and a link to outside. Gradio itself is not imported.
"""

import argparse
import importlib.util
import io
import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

_SMALLEST = 150
"""Pixels of the shorter side: Gradio ships icons, too."""
_SUFFIXES = (".jpg", ".jpeg", ".gif", ".webp", ".png")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFolder:
    """What was put in the folder, by file name relative to it."""

    photographs: tuple[str, ...]
    """Sound files, each of another picture."""
    copies: tuple[str, ...]
    """Sound files with the pixels of one of the others."""
    unusable: tuple[str, ...]


def shipped_photographs() -> list[Path]:
    """The pictures in the installed Gradio package, by name. Raises `RuntimeError` if there is none."""
    spec = importlib.util.find_spec("gradio")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("gradio is not installed: no photographs to take")
    root = Path(next(iter(spec.submodule_search_locations)))
    found = []
    for folder in (root / "media_assets" / "images", root / "test_data"):
        for path in sorted(folder.glob("*")):
            if path.suffix.lower() in _SUFFIXES:
                with Image.open(path) as image:
                    if min(image.size) >= _SMALLEST:
                        found.append(path)
    if not found:
        raise RuntimeError(f"{root}: this version of gradio ships no photographs")
    return found


def make_photo_folder(folder: Path) -> PhotoFolder:
    """Fill `folder`, which must not exist yet."""
    (folder / "more").mkdir(parents=True)
    photographs, copies = _copy_shipped(folder)
    first = folder / next(name for name in photographs if name.endswith((".jpg", ".jpeg")))
    with Image.open(first) as image:
        image.load()
        photographs += _variants(folder, image.convert("RGB"))
    return PhotoFolder(
        photographs=tuple(photographs), copies=tuple(copies), unusable=tuple(_unusable(folder, first.read_bytes()))
    )


def _copy_shipped(folder: Path) -> tuple[list[str], list[str]]:
    photographs: list[str] = []
    copies: list[str] = []
    seen: set[bytes] = set()
    for path in shipped_photographs():
        name = path.name if not (folder / path.name).exists() else f"more/{path.name}"
        shutil.copyfile(path, folder / name)
        with Image.open(path) as image:
            pixels = image.convert("RGB").tobytes()
        (copies if pixels in seen else photographs).append(name)
        seen.add(pixels)
    return photographs, copies


def _variants(folder: Path, photo: Image.Image) -> list[str]:
    """Other formats and pixel kinds, each cropped differently so that none shows the same picture."""
    width, height = photo.size

    def crop(part: int) -> Image.Image:
        return photo.crop((part * width // 20, part * height // 20, width - 1, height - 1))

    crop(1).convert("CMYK").save(folder / "more/cmyk print.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    crop(2).transpose(Image.Transpose.ROTATE_90).save(folder / "more/held sideways.jpg", quality=90, exif=exif)
    mirrored = crop(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    crop(3).save(folder / "more/moving.webp", save_all=True, append_images=[mirrored], duration=200)
    see_through = crop(4).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    see_through.save(folder / "more/see-through.png")
    crop(5).convert("L").save(folder / "more/grey.tiff")
    names = ("cmyk print.jpg", "held sideways.jpg", "moving.webp", "see-through.png", "grey.tiff")
    return [f"more/{name}" for name in names]


def _unusable(folder: Path, jpeg: bytes) -> list[str]:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    files = {
        "broken.jpg": jpeg[: len(jpeg) // 2],
        "empty.jpg": b"",
        "bomb.png": _png_header(30_000, 30_000),
        "notes.txt": b"Summer holidays\n",
        "renamed.png": b"not a picture\n",
        "drawing.svg": svg,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "outside.jpg").symlink_to(shipped_photographs()[0])
    return [*files, "outside.jpg"]


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    file = io.BytesIO(b"")
    file.write(b"\x89PNG\r\n\x1a\n")
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")):
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="made; must not exist yet")
    made = make_photo_folder(parser.parse_args().folder)
    print(f"{len(made.photographs)} photographs, {len(made.copies)} copies, {len(made.unusable)} unusable files")


if __name__ == "__main__":
    main()
