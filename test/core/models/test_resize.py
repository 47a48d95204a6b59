"""A model may ask for its images in another size: they are decoded in it, wherever that is."""

from __future__ import annotations

import io

import numpy as np
import pytest

from inferential_core import (
    Connection,
    EncodedImage,
    InferentialConfig,
    LocalDispatcher,
    Server,
    Status,
    UsageError,
)
from inferential_core.errors import RejectedError
from inferential_core.models.specification import compile_specification
from inferential_core.wire import images, jpeg
from inferential_core.wire.images import Resizing

pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed")

LONG_MS = 20_000
CAMERA = {"resize": [48, 64], "filter": "bilinear"}


def scene(height: int, width: int) -> np.ndarray:
    """Soft areas, as a JPEG holds them well."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack(
        [127 + 120 * np.sin(rows / 23 + k) * np.cos(columns / (31 + k)) for k in range(3)], axis=2
    ).astype(np.uint8)


def compressed(pixels: np.ndarray, kind: str) -> EncodedImage:
    return images.encode("camera", pixels, kind, 95)


def by_pillow(image: EncodedImage, how: str = "bilinear") -> np.ndarray:
    """All pixels decoded, then resized."""
    full = pillow.open(io.BytesIO(image.data))
    return np.asarray(full.resize((64, 48), getattr(pillow, how.upper()))).astype(int)


@pytest.mark.parametrize("how", images.FILTERS)
@pytest.mark.parametrize("shape", [(480, 640), (101, 67), (48, 64), (20, 30)])
def test_a_jpeg_comes_in_that_size_close_to_all_its_pixels_resized(how, shape):
    image = compressed(scene(*shape), "jpeg")
    resized = EncodedImage(image.data, "jpeg", resizing=Resizing(48, 64, how))
    place = np.zeros((48, 64, 3), np.uint8)
    assert images.decode(resized, place) is not None
    assert resized.pixels_shape == (48, 64, 3)
    assert np.abs(place - by_pillow(image, how)).mean() < (8 if how in ("box", "nearest") else 2)


def test_a_jpeg_is_decoded_no_larger_than_needed():
    pytest.importorskip("simplejpeg", reason="simplejpeg is not installed")
    data = compressed(scene(480, 640), "jpeg").data
    sizes = {(480, 640): (480, 640), (240, 320): (240, 320), (121, 160): (240, 320)}
    sizes |= {(120, 160): (120, 160), (61, 20): (120, 160), (48, 64): (60, 80)}
    for wanted, decoded in sizes.items():
        assert jpeg.decode_small(data, (480, 640, 3), *wanted).shape[:2] == decoded


def test_what_is_no_jpeg_is_exactly_all_its_pixels_resized():
    image = compressed(scene(100, 140), "png")
    resized = EncodedImage(image.data, "png", resizing=Resizing(48, 64, "bilinear"))
    np.testing.assert_array_equal(images.decode(resized), by_pillow(image))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"resize": [224]}, r"resize must be \[height, width\] in pixels, not \[224\]"),
        ({"resize": [0, 5], "filter": "box"}, "resize must be"),
        ({"filter": "box"}, "resize must be"),
        ({"resize": [48, 64]}, "filter: None: "),
        ({"resize": [48, 64], "filter": "bilinaer"}, "did you mean 'bilinear'"),
        ({**CAMERA, "dtype": "float32"}, "resize is for images of uint8, not float32"),
    ],
)
def test_what_is_wrong_in_a_specification_is_named(entry, told):
    with pytest.raises(UsageError, match=told):
        compile_specification({"observation": {"camera": entry}})


def test_images_of_any_size_fit_and_arrays_of_this_one_alone():
    takes = compile_specification({"observation": {"camera": CAMERA}})
    values = {"camera": compressed(scene(100, 140), "png")}
    takes.check(values)
    takes.resize(values)
    assert values["camera"].pixels_shape == (48, 64, 3)
    takes.check({"camera": scene(48, 64)})
    with pytest.raises(RejectedError, match=r"shape \[100, 140, 3\], the model takes \[48, 64"):
        takes.check({"camera": scene(100, 140)})
    with pytest.raises(RejectedError, match="the model takes"):
        takes.check({"camera": compressed(scene(100, 140)[..., 0], "png")})


MODEL = """
class Sizes:
    specification = {"observation": {"camera": {"resize": [48, 64], "filter": "bilinear"}}}

    def infer(self, observation):
        return {"camera": observation["camera"]}
"""


@pytest.mark.parametrize("ahead", [True, False], ids=["decoded ahead", "decoded when called"])
@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
def test_the_model_sees_the_size_it_asked_for(process, ahead, tmp_path, monkeypatch):
    (tmp_path / "sizes_of_test.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    dispatcher = LocalDispatcher({"policy": "sizes_of_test:Sizes"}, process=process)
    config = InferentialConfig(images={"decoded_bytes": 10_000_000 if ahead else 0})
    image = compressed(scene(100, 140), "png")
    with (
        Server("tcp://127.0.0.1:0", dispatcher=dispatcher, config=config) as server,
        Connection(server.address) as connection,
    ):
        model = connection.model("policy")
        model.observe(camera=image)
        reply = model.get_reply(LONG_MS)
    assert reply.status is Status.OK, reply
    np.testing.assert_array_equal(reply.result["camera"], by_pillow(image))
