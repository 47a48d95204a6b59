"""Colours are those that OpenCV, and with it cv_bridge, makes of the same bytes, within 1.

What OpenCV 5.0.0 makes of random bytes stands here (`cv2.cvtColor`, of mosaics without their
border, which it fills in its own way), so that it need not be installed.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from sensor_msgs.msg import Image

PACKED = (
    "8b4ae5f1a94106a0956a26afbccdafe562f90a945f5693c642276ad5ab2da7394551370e99b2d74c"
    "3427fa48d732a1df70aca1e926115901dd06f27f8f063cd2"
)
PLANAR = (
    "5e19a621f9bd0ccc21397c1ec795ca7748dc03d17a88934d85527357a2e64647f03e2fb81f223f41"
    "92c58efd5185f071"
)
CELLS = (
    "1ef7677a1f132a818d882195a100b28d6b236b82481bd9fe630dc3ce3be4ebcab72f45b35223479f"
    "6e794d57037e2cfd"
)
OF_OPENCV = {
    "yuyv": (
        "ff4822ffb18be5b133330000e67d6e650000ff58ffff49ff7f20ff2000f4cc3307ff7044c21800f0"
        "460043ff0d3eff0800ad00009c004cb6ff95feff007a00b7ff5dffb94aff7a0bff09c9ff42ff00ac"
        "0000e800edff00ffff11ff8100b62000"
    ),
    "uyvy": (
        "e5005affafff008c8c00fbfa00aa9329fae3ff9effffbaff53ffd300ff5d704f0ff2d191004500c2"
        "ff686000796e0086009e00005200ff6cefd10078dd0000ff00005c00d7ffb4ffeaa195ffe8dc0044"
        "00004300b600bcff00ff00311e75ffff"
    ),
    "nv12": (
        "0065ff0014ecffa10b6d060079ff4b33ff06004d0076ff58001ef6003affd770006a02003fff1105"
        "ff0074ff5513c500af0266ffaeffc7001cff76fd838a1d949a2d8179ff2f27fff649adbb0e71ff08"
        "8fff006fb2b84bffff9a271fff2820ff"
    ),
    "nv21": (
        "ff1a00bd00002ddbff00408574ff522fff0c004d0073ff5cc70000e2000000aaef003c813aff1700"
        "ff0071ff5910c5005e18ccffc4ff1600fcf7a4ff30a08541b096ff437afa0029a55fff6a23d88a37"
        "ff6916ff5fceb4aefffff20021f30022"
    ),
}
MOSAICS = {
    "bayer_rggb8": (
        "57728869218f4e709534a14b5b600082b2476b234b6b627e5a82b2485e92911b72d9ae8f755e0d58"
        "c36e538dce4d3bd96f59e490ebd77e2f43457d6b4cb3935245a24d23b14776ca"
    ),
    "bayer_bggr8": (
        "8872578f216995704e4ba13400605b47b2824b236b7e626bb2825a925e48721b918faed90d5e756e"
        "c358ce8d53d93b4de4596fd7eb90432f7e6b7d4593b34ca24552b1234dca7647"
    ),
    "bayer_gbrg8": (
        "57888d217c8661957ea13f4baa0017b2646b755b23726b537086826e484f9e811bcfd98d930d29c3"
        "63627fce9b3b935d93e41febb47778612f884571546fb31f526b557f238c4761"
    ),
    "bayer_grbg8": (
        "8d8857867c217e95614b3fa11700aa6b64b2235b75536b728286704f486e1b819e8dd9cf290d9362"
        "63c39bce7f5d933b1fe49377b4eb2f6178714588b36f546b521f237f5561478c"
    ),
}


def decoded(encoding: str, stored: str, height: int, width: int, step: int) -> np.ndarray:
    data = bytes.fromhex(stored)
    message = Image(height=height, width=width, encoding=encoding, step=step, data=data)
    return decoder("sensor_msgs/msg/Image", encodings=[encoding])(message)


def read(stored: str, height: int, width: int) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(stored), np.uint8).reshape(height, width, 3).astype(int)


@pytest.mark.parametrize(
    ("encoding", "same"),
    [("yuyv", "yuyv"), ("yuv422_yuy2", "yuyv"), ("uyvy", "uyvy"), ("yuv422", "uyvy")],
)
def test_packed_luma_and_colour_differences(encoding: str, same: str) -> None:
    pixels = decoded(encoding, PACKED, 4, 8, 16)
    assert np.abs(pixels - read(OF_OPENCV[same], 4, 8)).max() <= 1


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_colour_differences_in_a_plane_of_their_own(encoding: str) -> None:
    pixels = decoded(encoding, PLANAR, 4, 8, 8)
    assert np.abs(pixels - read(OF_OPENCV[encoding], 4, 8)).max() <= 1


@pytest.mark.parametrize("encoding", MOSAICS)
def test_mosaics(encoding: str) -> None:
    pixels = decoded(encoding, CELLS, 6, 8, 8)
    assert np.abs(pixels[1:-1, 1:-1] - read(MOSAICS[encoding], 4, 6)).max() <= 1
