"""sensor_msgs/msg/CameraInfo -> the 3 x 3 matrix K of the image that the model sees.

K is of the whole image of the sensor; what the driver cuts out (`roi`) and bins, and what the
contract makes of the image after that (crop, resize, rotate), moves its centre and scales it. The
centre of a pixel is at whole coordinates, so that x becomes (x + 0.5) * s - 0.5 where the image is
scaled by s, as Pillow's filters have it. Of a rectified image K is the left part of P, where the
driver gives one. REP 104 and the comments of CameraInfo say what K and P are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inferential_ros.convert.image_shaping import Geometry, read_geometry
from inferential_ros.convert.numeric import by_fields
from inferential_ros.convert.registry import Decode, Form, InputError, input_converter
from inferential_ros.options.yaml_values import Section, boolean, one_of


@input_converter("sensor_msgs/msg/CameraInfo")
def camera_info(section: Section, message: type[Any]) -> Decode:
    """The decoder of a CameraInfo: what `select` names, or the camera's matrix (3, 3).

    Raises ContractError, which names the key, where the section does not fit.
    """
    if section.has("select"):
        return by_fields(section, message, ())
    dtype = section.get("dtype", one_of("float32", "float64"), "float32")
    rectified = section.get("rectified", boolean, False)
    return Intrinsics(read_geometry(section), np.dtype(dtype), section.path, rectified)


class Intrinsics:
    """Decoder of one camera's matrix."""

    def __init__(
        self, geometry: Geometry, dtype: np.dtype, path: str, rectified: bool = False
    ) -> None:
        self.form = Form(dtype.name, (3, 3))
        self._geometry = geometry
        self._dtype = dtype
        self._path = path
        self._rectified = rectified

    def __call__(self, message: Any) -> np.ndarray:
        matrix = np.array(message.k, dtype=np.float64).reshape(3, 3)
        if self._rectified and message.p[0] > 0.0:
            matrix = np.array(message.p, dtype=np.float64).reshape(3, 4)[:, :3]
        if not np.isfinite(matrix).all() or matrix[0, 0] <= 0.0 or matrix[1, 1] <= 0.0:
            raise InputError(self._path, "the camera is not calibrated: its K has no focal length")
        width, height = message.width, message.height
        roi = message.roi
        if roi.width and roi.height:
            matrix = cropped(matrix, roi.x_offset, roi.y_offset)
            width, height = roi.width, roi.height
        across, down = message.binning_x or 1, message.binning_y or 1
        matrix = scaled(matrix, 1.0 / across, 1.0 / down)
        return self._shaped(matrix, width // across, height // down).astype(self._dtype)

    def _shaped(self, matrix: np.ndarray, width: int, height: int) -> np.ndarray:
        """As the contract shapes the image."""
        crop, size = self._geometry.crop, self._geometry.size
        if crop is not None:
            matrix = cropped(matrix, crop.x, crop.y)
            width, height = crop.width, crop.height
        if size is not None:
            if not width * height:
                raise InputError(self._path, "the message does not say how large the image is")
            inner_width, inner_height, left, top = size.placed(width, height)
            matrix = scaled(matrix, inner_width / width, inner_height / height)
            matrix = cropped(matrix, -left, -top)
            width, height = size.width, size.height
        for _ in range(self._geometry.rotate // 90):
            matrix, width, height = turned(matrix, height), height, width
        return matrix


def cropped(matrix: np.ndarray, x: float, y: float) -> np.ndarray:
    """K of an image that begins at (x, y) of the former one."""
    moved = matrix.copy()
    moved[:2, 2] -= x, y
    return moved


def scaled(matrix: np.ndarray, across: float, down: float) -> np.ndarray:
    """K of an image that is so many times as wide and high."""
    result = matrix.copy()
    result[:2, 2] += 0.5
    result[0] *= across
    result[1] *= down
    result[:2, 2] -= 0.5
    return result


def turned(matrix: np.ndarray, height: int) -> np.ndarray:
    """K of an image turned clockwise by a quarter; `height` is that before."""
    (fx, skew, cx), (_, fy, cy), last = matrix
    return np.array([[fy, -skew, height - 1 - cy], [0.0, fx, cx], last])
