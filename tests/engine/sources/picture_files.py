"""Small real picture files made on the spot, sound and broken ones."""

import io
import struct
import zlib
from typing import Any

from PIL import Image


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    """A photograph-like picture: smooth colours, thousands of them, and asymmetric in both directions."""
    red = Image.linear_gradient("L").resize((width, height))
    green = Image.radial_gradient("L").resize((width, height)).rotate(17 * seed)
    blue = red.transpose(Image.Transpose.ROTATE_90).resize((width, height))
    image = Image.merge("RGB", (red, green, blue))
    image.paste((255, 0, 0), (0, 0, width // 4, height // 4))
    image.putpixel((width - 1, height - 1), (seed % 256, 1, 2))
    return image


def file_bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def rotated_jpeg(orientation: int, image: Image.Image) -> bytes:
    """A JPEG whose EXIF says how to turn it, with a maker's name and a comment that must not survive."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SECRET-CAMERA"
    return file_bytes(image, "JPEG", quality=100, subsampling=0, exif=exif, comment=b"SECRET-COMMENT")


def animated(kind: str) -> bytes:
    """Two frames: the first red, the second blue."""
    frames = [Image.new("RGB", (32, 24), "red"), Image.new("RGB", (32, 24), "blue")]
    return file_bytes(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing: a decompression bomb in 60 bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
