"""The one reader: every format a camera or a scanner writes, and every way a file can be bad."""

import io
import os
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from crackdet import images as module
from crackdet.errors import CrackdetError
from crackdet.images import read_image, read_images, require_patch, resize


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


WHOLE_FILES = {
    form: encode(Image.effect_noise((24, 24), 80), form) for form in ("JPEG", "PNG", "TIFF", "GIF")
}
_RAMP = np.arange(32 * 32 * 3, dtype=np.uint16).reshape(32, 32, 3)
WHOLE_FILES |= {
    f"16 bits of {kind}{suffix}": bytes(cv2.imencode(suffix, values)[1])
    for suffix in (".png", ".tif", ".jp2", ".ppm")
    for kind, values in (("grey", _RAMP[..., 0]), ("colour", _RAMP))
}


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 11, 3), dtype=np.uint8)


@settings(max_examples=25, deadline=None)
@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    st.sampled_from(["PNG", "BMP", "TIFF", "PPM"]),
)
def test_lossless_files_give_back_their_pixels(pixels: np.ndarray, form: str) -> None:
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(pixels), form)), pixels)


def test_a_path_and_its_bytes_give_the_same(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encode(Image.fromarray(photo)))
    np.testing.assert_array_equal(read_image(path), read_image(path.read_bytes()))
    np.testing.assert_array_equal(read_image(str(path)), photo)


def test_grey_and_one_bit_fill_all_channels() -> None:
    grey = np.array([[0, 100], [200, 255]], np.uint8)
    for form in ("L", "LA"):
        read = read_image(encode(Image.fromarray(grey).convert(form)))
        np.testing.assert_array_equal(read, np.repeat(grey[..., None], 3, axis=2))
    one_bit = read_image(encode(Image.fromarray(np.array([[True, False]]))))
    assert one_bit[0, :, 0].tolist() == [255, 0]


def test_transparent_pixels_are_laid_over_white() -> None:
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]]], np.uint8)
    read = read_image(encode(Image.fromarray(pixels)))
    assert read[0, 0].tolist() == [10, 20, 30]
    assert read[0, 1].tolist() == [255, 255, 255]
    np.testing.assert_allclose(read[0, 2], 255 * (1 - 128 / 255), atol=1)


def test_palettes_with_and_without_a_transparent_colour() -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    assert read_image(encode(image)).tolist() == [[[255, 0, 0], [0, 255, 0]]]
    assert read_image(encode(image, transparency=0)).tolist() == [[[255, 255, 255], [0, 255, 0]]]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(form: str) -> None:
    values = np.array([[0, 128, 257, 32896, 65535]], np.uint16)
    read = read_image(encode(Image.fromarray(values), form))
    assert read[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_pixels_without_a_defined_range_are_refused() -> None:
    for values in (np.zeros((2, 2), np.float32), np.full((2, 2), 70000, np.int32)):
        with pytest.raises(CrackdetError, match=r"depth\.tif: .* no defined range"):
            read_image(encode(Image.fromarray(values), "TIFF"), name="depth.tif")


def test_cmyk_comes_out_in_the_right_colours() -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    read = read_image(encode(cyan, "JPEG", quality=100))
    np.testing.assert_allclose(read[4, 4], [0, 255, 255], atol=3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int, photo: np.ndarray) -> None:
    stored = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.transpose(1, 0, 2),
        6: np.rot90(photo, 1),
        7: np.rot90(photo, 2).transpose(1, 0, 2),
        8: np.rot90(photo, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    encoded = encode(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(read_image(encoded), photo)


def test_damaged_exif_does_not_lose_the_picture(photo: np.ndarray) -> None:
    encoded = encode(Image.fromarray(photo), "PNG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own words on the EXIF
        np.testing.assert_array_equal(read_image(encoded), photo)


def test_the_first_frame_of_an_animation(photo: np.ndarray) -> None:
    frames = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    encoded = encode(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(encoded), photo)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"just some text", "not a picture"),
        (encode(Image.new("RGB", (64, 64)), "JPEG")[:-200], "damaged|not a picture"),
        (encode(Image.effect_noise((64, 64), 90), "PNG")[:900], "damaged"),
        (encode(Image.effect_noise((64, 64), 90), "JPEG")[:900], "damaged"),
    ],
    ids=["empty", "text", "header only", "half a PNG", "half a JPEG"],
)
def test_bad_files_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(CrackdetError, match=rf"Cannot read .*bad\.jpg: .*({message})"):
        read_image(path)


def test_heic_is_read_or_told_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    flat = Image.new("RGB", (64, 48), (90, 120, 150))
    encoded = encode(flat, "HEIF", quality=100)
    np.testing.assert_allclose(read_image(encoded), np.asarray(flat), atol=3)
    monkeypatch.setattr(module, "reads_heif", lambda: False)
    monkeypatch.setattr(Image, "ID", [form for form in Image.ID if form != "HEIF"])
    with pytest.raises(CrackdetError, match=r"a\.jpg: it is a HEIC picture.*crackdet\[heic\]"):
        read_image(encoded, name="a.jpg")


def test_what_a_file_cannot_be_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(CrackdetError, match=r"pipe\.jpg: it is no regular file"):
        read_image(tmp_path / "pipe.jpg")
    with open(tmp_path / "film.jpg", "wb") as file:
        file.truncate(module.MAX_BYTES + 1)  # a hole, which takes no disk
    with pytest.raises(CrackdetError, match=r"film\.jpg: it has 1\.4 GB"):
        read_image(tmp_path / "film.jpg")


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 600), st.integers(1, 600))
def test_a_patch_has_two_sides(height: int, width: int) -> None:
    pixels = np.broadcast_to(np.uint8(0), (height, width, 3))
    if min(height, width) >= 16 and max(height, width) <= 32 * min(height, width):
        require_patch(pixels, "a.jpg")
    else:
        with pytest.raises(CrackdetError, match=rf"a\.jpg: {width}x{height} pixels are no patch"):
            require_patch(pixels, "a.jpg")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(CrackdetError, match=r"Cannot read .*: .*Check the path"):
            read_image(path)


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encode(Image.new("L", (40, 30)))
    monkeypatch.setattr(module, "MAX_PIXELS", 40 * 30 - 1)
    with pytest.raises(CrackdetError, match="megapixels"):
        read_image(encoded)
    monkeypatch.setattr(module, "MAX_PIXELS", 40 * 30)
    assert read_image(encoded).shape == (30, 40, 3)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damage_anywhere_either_reads_or_raises_our_error(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(sorted(WHOLE_FILES)))
    encoded = bytearray(WHOLE_FILES[form])
    for _ in range(data.draw(st.integers(1, 6))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(encoded[: data.draw(st.integers(0, len(encoded)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pixels = read_image(cut)
        except CrackdetError:
            return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3


def test_resize_averages_when_it_shrinks() -> None:
    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize(stripes, (8, 8))
    # Without antialiasing some columns would come out black or white.
    np.testing.assert_allclose(small[:, 1:-1], 127.5, atol=3)
    assert resize(stripes, (8, 64)) is stripes


@pytest.mark.parametrize("size", [0, -3, (4,), (4, 5, 6), (4.0, 4.0), (4, 0)])
def test_wrong_sizes_are_refused(size: object) -> None:
    with pytest.raises(ValueError, match="positive integers"):
        resize(np.zeros((4, 4, 3), np.uint8), size)  # type: ignore[arg-type]


def test_many_pictures_keep_their_order_whatever_holds_them(tmp_path: Path) -> None:
    flat = [np.full((6, 6, 3), value, np.uint8) for value in range(40)]
    path = tmp_path / "one.png"
    path.write_bytes(encode(Image.fromarray(flat[1])))
    sources = [flat[0], path, *(encode(Image.fromarray(pixels)) for pixels in flat[2:])]
    read = read_images(sources, (3, 5), [str(i) for i in range(40)])
    assert read.shape == (40, 3, 5, 3)
    assert read[:, 0, 0, 0].tolist() == list(range(40))
    assert read_images([], 4, []).shape == (0, 4, 4, 3)
