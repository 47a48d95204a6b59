"""sensor_msgs/msg/PointCloud2 -> N x F, the fields found by name in every message.

Points are read through a structured view of the message's bytes, so any order, padding, row
padding and byte order of the fields does, and each selected value is copied once.

Colour is packed into one field, `rgb` or `rgba`, as the bytes 0xAARRGGBB of a number that is often
declared as a float (PCL's convention). It becomes three columns, r, g and b, from 0 to 255.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inferential_ros.convert.registry import Decode, Form, InputError, input_converter
from inferential_ros.options.errors import suggestion
from inferential_ros.options.yaml_values import Section, names, one_of, whole_positive

# sensor_msgs/msg/PointField constants
DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
DTYPES = ("float32", "float64", "float16")
PACKED = ("rgb", "rgba")  # as 0xAARRGGBB in one number of four bytes
FOUR_BYTES = ("i4", "u4", "f4")
COLOURS = "bgra"  # in the order of their bytes, the lowest first


@input_converter("sensor_msgs/msg/PointCloud2")
def point_cloud(section: Section, message: type[Any]) -> Decode:
    """The decoder of a PointCloud2: (points, fields) of the fields that `select` names.

    Raises ContractError, which names the key, where the section does not fit.
    """
    points = section.get("points", whole_positive, None)
    return PointCloud(
        section.get("select", names, ("x", "y", "z")),
        np.dtype(section.get("dtype", one_of(*DTYPES), "float32")),
        section.get("nan", one_of("drop", "keep", "zero"), "drop"),
        points,
        section.path,
    )


class PointCloud:
    """Decoder that remembers the layout of the points as long as it stays the same."""

    def __init__(
        self,
        select: tuple[str, ...],
        dtype: np.dtype,
        nan: str,
        points: int | None,
        path: str,
    ) -> None:
        # (index in `select`, field of the points, column), the three of a packed colour in a row
        self._columns = [
            (index, name, column)
            for index, name in enumerate(select)
            for column in ([f"{name}.{colour}" for colour in "rgb"] if name in PACKED else [name])
        ]
        self.form = Form(dtype.name, (points, len(self._columns)))
        self._dtype = dtype
        self._read_as = np.dtype("f4") if dtype == np.float16 else dtype
        self._nan = nan
        self._points = points
        self._path = path
        self._known: Any = None
        self._layout = np.dtype([])

    def __call__(self, message: Any) -> np.ndarray:
        records = self._records(message)
        values = np.empty((records.size, len(self._columns)), dtype=self._read_as)
        for index, (_, _, column) in enumerate(self._columns):
            values[:, index] = records[column].reshape(-1)
        if self._nan != "keep":
            finite = np.isfinite(values)
            if not finite.all():
                values = (
                    values[finite.all(axis=1)] if self._nan == "drop" else self._zeroed(values)
                )
        values = self._narrowed(values)
        return values if self._points is None else self._exactly(values, self._points)

    def _narrowed(self, values: np.ndarray) -> np.ndarray:
        if self._read_as == self._dtype:
            return values
        most = np.finfo(self._dtype).max
        if (np.abs(values[np.isfinite(values)]) > most).any():
            raise InputError(f"{self._path}.dtype", f"values beyond {most:g} do not fit float16")
        return values.astype(self._dtype)

    def _records(self, message: Any) -> np.ndarray:
        described = (
            message.point_step,
            message.is_bigendian,
            [(field.name, field.offset, field.datatype, field.count) for field in message.fields],
        )
        if described != self._known:
            self._layout = self._read_layout(*described)
            self._known = described
        height, width = message.height, message.width
        row, step = width * message.point_step, message.row_step
        if height == 1 and step < row:
            step = row  # many drivers leave it 0 for a cloud of one row
        data = np.frombuffer(message.data, dtype=np.uint8)
        if not height * width:
            return np.zeros(0, self._layout)
        if step < row or data.size < (height - 1) * step + row:
            raise InputError(
                self._path, f"{width} x {height} points do not fit {data.size} bytes, row {step}"
            )
        return np.ndarray((height, width), self._layout, data, 0, (step, message.point_step))

    def _read_layout(self, point_step: int, big: bool, fields: list[Any]) -> np.dtype:
        by_name = {name: rest for name, *rest in fields}
        packed = next((name for name in PACKED if name in by_name), None)
        kinds, offsets = [], []
        for index, name, column in self._columns:
            place = f"{self._path}.select[{index}]"
            colour = column.rpartition(".")[2] if name in PACKED else None
            if name not in by_name and name in COLOURS and packed is not None:
                name, colour = packed, name  # one channel of the packed colour
            if name not in by_name:
                raise InputError(
                    place, f"no field {name!r} in the points; {suggestion(name, by_name)}"
                )
            if [field[0] for field in fields].count(name) > 1:
                raise InputError(place, f"the points have {name!r} twice")
            offset, datatype, count = by_name[name]
            if datatype not in DATATYPES or count > 1:
                raise InputError(place, f"{name!r} is of datatype {datatype}, count {count}")
            kind = np.dtype((">" if big else "<") + DATATYPES[datatype])
            if offset + kind.itemsize > point_step:
                raise InputError(place, f"{name!r} lies outside of the point")
            if colour is not None:
                if DATATYPES[datatype] not in FOUR_BYTES:
                    raise InputError(
                        place, f"{name!r} is no packed colour: it has {kind.itemsize} bytes, not 4"
                    )
                byte = COLOURS.index(colour)
                kind, offset = np.dtype("u1"), offset + (3 - byte if big else byte)
            kinds.append(kind)
            offsets.append(offset)
        return np.dtype(
            {
                "names": [column for _, _, column in self._columns],
                "formats": kinds,
                "offsets": offsets,
                "itemsize": point_step,
            }
        )

    def _zeroed(self, values: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(values), values, values.dtype.type(0))

    def _exactly(self, values: np.ndarray, count: int) -> np.ndarray:
        """As many: thinned evenly where there are more, zeros behind where there are fewer."""
        if len(values) >= count:
            return values[(np.arange(count) * len(values)) // count]
        return np.concatenate(
            [values, np.zeros((count - len(values), values.shape[1]), values.dtype)]
        )
