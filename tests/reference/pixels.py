"""Makes the stored pixel references of the data crate: tiny encoded images with the pixels that Pillow decodes from them,
and resized images with the pixels of Pillow's antialiased filters and torchvision's resize and centre crop.

Run from the repository root with a Python that has pillow, numpy and torchvision:

    python tests/reference/pixels.py

Everything is drawn from fixed seeds. Written to crates/data/tests/data: `decode/NAME.EXTENSION` beside
`decode/NAME.EXTENSION.rgb.png` (Pillow's pixels, lossless), and `resize/pixels.bin` (raw red, green, blue rows of every result, one
after the other) with what made them in `resize/manifest.json`; the sources of the resizes are formulas that the tests compute too.
"""

import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

OUT = Path("crates/data/tests/data")


def picture(width, height, seed):
    """A smooth scene with edges and a little noise, so that chroma, edges and texture are all tried."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack(
        [
            127 + 100 * np.sin(x / 9.0 + y / 17.0),
            127 + 90 * np.cos(x / 13.0 - y / 7.0),
            127 + 80 * np.sin((x + y) / 11.0),
        ],
        axis=-1,
    )
    disc = (x - width * 0.6) ** 2 + (y - height * 0.45) ** 2 < (0.22 * min(width, height)) ** 2
    base[disc] = (230, 40, 60)
    base[(x > width * 0.1) & (x < width * 0.3) & (y > height * 0.6)] = (20, 60, 220)
    base += rng.normal(0, 6, base.shape)
    return Image.fromarray(np.clip(base, 0, 255).astype(np.uint8))


def pillow_rgb(encoded):
    return ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB")


def encoded(image, format, **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def without_adobe(jpeg):
    """The same stream without its APP14 segment: plain CMYK, not inverted."""
    at = jpeg.index(b"\xff\xee")
    length = struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    return jpeg[:at] + jpeg[at + 2 + length :]


def ycck(jpeg):
    """The same stream with Adobe's transform flag set to 2: the four channels are then read as YCCK."""
    at = jpeg.index(b"Adobe") + 11
    return jpeg[:at] + b"\x02" + jpeg[at + 1 :]


def decode_cases():
    scene = picture(80, 64, 1)
    odd = picture(59, 45, 2)
    cmyk = scene.convert("CMYK")
    palette = odd.quantize(32)
    alpha = odd.convert("RGBA")
    alpha.putalpha(Image.fromarray((np.add.outer(np.arange(45), 2 * np.arange(59)) % 256).astype(np.uint8)))
    deep = np.arange(48 * 40, dtype=np.uint16).reshape(40, 48) * 31
    jpeg = lambda image, **options: encoded(image, "JPEG", **{"quality": 85, **options})
    png = lambda image, **options: encoded(image, "PNG", **options)
    plain_cmyk = jpeg(cmyk)
    cases = {
        "444.jpg": jpeg(scene, subsampling=0),
        "422.jpg": jpeg(scene, subsampling=1),
        "420.jpg": jpeg(scene, subsampling=2),
        "444_odd.jpg": jpeg(odd, subsampling=0),
        "422_odd.jpg": jpeg(odd, subsampling=1),
        "420_odd.jpg": jpeg(odd, subsampling=2),
        "420_coarse.jpg": jpeg(scene, subsampling=2, quality=30),
        "420_fine.jpg": jpeg(scene, subsampling=2, quality=98),
        "progressive_444.jpg": jpeg(scene, subsampling=0, progressive=True),
        "progressive_420.jpg": jpeg(odd, subsampling=2, progressive=True),
        "grey.jpg": jpeg(scene.convert("L")),
        "grey_progressive.jpg": jpeg(odd.convert("L"), progressive=True),
        "rgb_stored.jpg": jpeg(scene, keep_rgb=True),
        "restart.jpg": jpeg(scene, subsampling=2, restart_marker_blocks=3),
        "cmyk_adobe.jpg": plain_cmyk,
        "cmyk_plain.jpg": without_adobe(plain_cmyk),
        "ycck.jpg": ycck(plain_cmyk),
        "tiny_1x1.jpg": jpeg(scene.crop((40, 28, 41, 31)), subsampling=2),
        "tiny_3x5.jpg": jpeg(scene.crop((40, 28, 43, 35)), subsampling=2),
        "rgb.png": png(odd),
        "grey.png": png(odd.convert("L")),
        "one_bit.png": png(odd.convert("1")),
        "palette.png": png(palette),
        "palette_transparent.png": png(palette, transparency=3),
        "rgb_transparent.png": png(odd, transparency=(20, 60, 220)),
        "alpha.png": png(alpha),
        "grey_alpha.png": png(alpha.convert("LA")),
        "oriented_6.png": png(odd, exif=orientation(6)),
        "lossless.webp": encoded(odd, "WEBP", lossless=True),
        "lossy.webp": encoded(scene, "WEBP", quality=85),
        "lossy_alpha.webp": encoded(alpha, "WEBP", quality=85),
        "rgb.bmp": encoded(odd, "BMP"),
        "palette.bmp": encoded(palette, "BMP"),
        "grey.bmp": encoded(odd.convert("L"), "BMP"),
        "one_bit.bmp": encoded(odd.convert("1"), "BMP"),
    }
    for value in range(1, 9):
        cases[f"oriented_{value}.jpg"] = jpeg(odd.crop((0, 0, 40, 24)), subsampling=0, exif=orientation(value))
    references = {name: np.asarray(pillow_rgb(data)) for name, data in cases.items()}
    # Pillow clips 16-bit grey at 255 when it converts to RGB; the high byte is what the image shows.
    cases["grey_16_bit.png"] = png(Image.fromarray(deep))
    references["grey_16_bit.png"] = np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2)
    cases["rgb_16_bit.png"] = rgb16_png(deep)
    references["rgb_16_bit.png"] = np.asarray(pillow_rgb(cases["rgb_16_bit.png"]))
    cases["interlaced.png"] = interlaced_png(np.asarray(odd.convert("L")))
    references["interlaced.png"] = np.asarray(pillow_rgb(cases["interlaced.png"]))
    return cases, references


def png_file(width, height, depth, color, interlace, raw):
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def rgb16_png(deep):
    pixels = np.stack([deep, deep[::-1], deep[:, ::-1]], axis=-1).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    return png_file(deep.shape[1], deep.shape[0], 16, 2, 0, raw)


def interlaced_png(grey):
    """Adam7 passes of an eight-bit grey image."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    raw = b""
    for top, left, down, across in passes:
        part = grey[top::down, left::across]
        if part.size:
            raw += b"".join(b"\0" + row.tobytes() for row in part)
    return png_file(grey.shape[1], grey.shape[0], 8, 0, 1, raw)


def hashed(width, height, seed):
    """splitmix64 of (seed, index): 64 random bits for every channel, which the tests compute as well."""
    index = np.arange(width * height * 3, dtype=np.uint64) + np.uint64(seed << 32)
    with np.errstate(over="ignore"):
        z = (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return z.reshape(height, width, 3)


def noise(width, height, seed):
    return Image.fromarray((hashed(width, height, seed) >> np.uint64(56)).astype(np.uint8))


def black_and_white(width, height, seed):
    """Hard edges: bicubic overshoot is clipped between the two passes, so the order of the passes shows."""
    return Image.fromarray((hashed(width, height, seed) >> np.uint64(63)).astype(np.uint8) * 255)


def ramp(width, height, seed):
    """Smooth slopes with a wrap-around edge, slightly noisy."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    slope = x * 3 + y * 2 + c * (x + 2 * y) + seed
    return Image.fromarray(((slope + (hashed(width, height, seed) >> np.uint64(61)).astype(np.int64)) % 256).astype(np.uint8))


RESIZES = [
    ("ramp", 96, 80, 48, 40),
    ("ramp", 96, 80, 37, 29),
    ("ramp", 83, 61, 32, 32),
    ("ramp", 31, 23, 64, 64),
    ("noise", 83, 61, 24, 24),
    ("noise", 33, 47, 45, 64),
    ("black_and_white", 64, 64, 40, 40),
    ("black_and_white", 40, 40, 64, 64),
    ("noise", 200, 3, 20, 20),
    ("noise", 3, 200, 20, 20),
    ("noise", 1, 50, 16, 16),
    ("noise", 50, 1, 16, 16),
    ("noise", 1, 1, 8, 8),
    ("noise", 40, 40, 1, 1),
    ("noise", 40, 30, 40, 12),
    ("noise", 40, 30, 12, 30),
    ("noise", 300, 200, 7, 5),
]

CROPS = [
    # kind, width, height, shorter side, crop
    ("ramp", 96, 80, 40, 32),
    ("ramp", 80, 96, 40, 35),
    ("noise", 97, 61, 33, 28),
    ("noise", 61, 97, 36, 29),
    ("black_and_white", 50, 41, 64, 57),
    ("noise", 30, 90, 30, 25),
    ("ramp", 33, 33, 33, 28),
]


def resize_cases():
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    manifest, results = [], []
    makers = {"ramp": ramp, "noise": noise, "black_and_white": black_and_white}
    filters = {
        "bilinear": (Image.Resampling.BILINEAR, InterpolationMode.BILINEAR),
        "bicubic": (Image.Resampling.BICUBIC, InterpolationMode.BICUBIC),
    }
    for number, (kind, width, height, to_width, to_height) in enumerate(RESIZES):
        source = makers[kind](width, height, 100 + number)
        for name, (filter, _) in filters.items():
            result = source.resize((to_width, to_height), filter)
            entry = {"kind": kind, "seed": 100 + number, "filter": name}
            manifest.append({**entry, "source": [width, height], "result": list(result.size), "shorter_side": None})
            results.append(result)
    for number, (kind, width, height, side, crop) in enumerate(CROPS):
        source = makers[kind](width, height, 200 + number)
        for name, (_, mode) in filters.items():
            result = CenterCrop(crop)(Resize(side, interpolation=mode, antialias=True)(source))
            entry = {"kind": kind, "seed": 200 + number, "filter": name}
            manifest.append({**entry, "source": [width, height], "result": list(result.size), "shorter_side": side})
            results.append(result)
    return manifest, results


def main():
    (OUT / "decode").mkdir(parents=True, exist_ok=True)
    (OUT / "resize").mkdir(parents=True, exist_ok=True)
    cases, references = decode_cases()
    for name, data in sorted(cases.items()):
        (OUT / "decode" / name).write_bytes(data)
        pixels = references[name]
        (OUT / "decode" / f"{name}.rgb.png").write_bytes(encoded(Image.fromarray(pixels), "PNG", optimize=True))
    manifest, results = resize_cases()
    (OUT / "resize" / "pixels.bin").write_bytes(b"".join(np.asarray(result).tobytes() for result in results))
    (OUT / "resize" / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
