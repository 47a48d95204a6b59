"""sensor_msgs/msg/Imu -> orientation, angular velocity and acceleration, as far as it has them.

An IMU without one of the three says so by -1 at the beginning of that covariance, and what stands
in the field means nothing (the comments of sensor_msgs/Imu).
"""

from __future__ import annotations

from typing import Any

from inferential_ros.convert.numeric import Vector, by_fields
from inferential_ros.convert.registry import Decode, InputError, input_converter
from inferential_ros.options.yaml_values import Section, boolean, names

ESTIMATES = ("orientation", "angular_velocity", "linear_acceleration")


def estimates_of(message: Any) -> list[str]:
    """Which of the three an Imu has."""
    return [each for each in ESTIMATES if getattr(message, f"{each}_covariance")[0] != -1.0]


@input_converter("sensor_msgs/msg/Imu")
def imu(section: Section, message: type[Any]) -> Decode:
    """Refuses, with its first messages, an IMU that lacks what is selected of it."""
    decode = by_fields(section, message, ESTIMATES)
    place = section.at("select")
    selected = {path.partition(".")[0] for path in section.get("select", names, ESTIMATES)}

    def check(received: Any) -> None:
        given = estimates_of(received)
        missing = [each for each in ESTIMATES if each in selected and each not in given]
        if missing:
            raise InputError(
                place,
                f"the IMU gives no {' and no '.join(missing)}, as its covariance says: select the"
                " others; allow_nan: true takes the numbers nevertheless",
            )

    if issubclass(type(decode), Vector) and not section.get("allow_nan", boolean, False):
        decode.check = check
    return decode
