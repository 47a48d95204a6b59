"""The definitions of message types as this machine has them, as `rosbags` wants them.

They are read from the .msg files that every message package installs. A distribution's own are
not those of another (sensor_msgs/Range grew in Iron), so what `rosbags` brings serves only where
nothing is installed.
"""

from __future__ import annotations

from pathlib import Path

from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from inferential_ros.recording.errors import BagError
from inferential_ros.resources import PACKAGE, package_prefix, share_path


class Definitions:
    """A store of types that grows by what is asked for."""

    def __init__(self) -> None:
        self.store: Typestore = get_typestore(Stores.EMPTY)
        self._brought = get_typestore(Stores.ROS2_JAZZY).fielddefs

    def need(self, type_name: str) -> None:
        """Know this type and all in it; BagError if a definition is nowhere."""
        if type_name in self.store.fielddefs:
            return
        try:
            found = get_types_from_msg(_text(type_name), type_name)
        except TypesysError as error:
            raise BagError(f"the definition of {type_name} cannot be read: {error}") from None
        except BagError:
            if type_name not in self._brought:
                raise
            found = {type_name: self._brought[type_name]}
        for name in found:
            for nested in nested_types(found, name):
                self.need(nested)
        self.store.register(found)


def nested_types(known: Typesdict, name: str) -> set[str]:
    """The types of messages that the fields of a known type are of."""
    _, fields = known[name]
    return {nested for _, described in fields for nested in _names(described)}


def _text(type_name: str) -> str:
    package, _, name = type_name.split("/")
    try:
        if package == PACKAGE:
            path = Path(share_path(f"msg/{name}.msg"))
        else:
            path = Path(package_prefix(package)) / "share" / package / "msg" / f"{name}.msg"
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BagError(f"no definition of {type_name}: {error}") from None


def _names(described: object) -> list[str]:
    """Names of message types in the description of a field, which nests tuples."""
    if isinstance(described, str):
        return [described] if described.count("/") == 2 else []
    if isinstance(described, (tuple, list)):
        return [name for part in described for name in _names(part)]
    return []
