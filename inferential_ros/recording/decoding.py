"""From the bytes of a message to its fields, by the definition that its own channel brings.

Every channel is decoded by itself, so one that cannot be read closes none of the others, and two
channels may disagree about a type. The parser and the code for CDR are those of `rosbags`, which
gives arrays as numpy arrays, as rclpy does, and which also serves a machine without ROS; the
package `mcap-ros2-support` knows no .idl definitions and gives arrays as lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from inferential_core.errors import describe, text_of
from inferential_ros.recording.definitions import Definitions, nested_types
from inferential_ros.recording.errors import BagError
from inferential_ros.recording.storage import Channel

# Recordings without definitions are of Humble or older: from Iron on, rosbag2 writes them in.
WITHOUT_DEFINITIONS = "humble"
TYPE_NAME = re.compile(r"[A-Za-z]\w*/(msg|srv|action)/[A-Za-z]\w*")
IDL_PART = "=" * 80 + "\n"  # before every file of a definition in .idl


class DecodeError(Exception):
    """One message that is not what its definition says."""


Decode = Callable[[bytes], Any]


class Decoders:
    """Decoders of channels; one is made only once for the same definition."""

    def __init__(self, distribution: str) -> None:
        self._known = _store_of(distribution)
        self._installed = Definitions()
        self._made: dict[tuple[str, str, str], Decode | BagError] = {}
        self.definitions: dict[str, Any] = {}  # that channels brought, by name of the type

    def of(self, channel: Channel) -> Decode:
        """BagError says why the channel cannot be read."""
        if channel.encoding != "cdr":
            raise BagError(f"its messages are encoded as {channel.encoding!r}, not as ROS 2's cdr")
        if not TYPE_NAME.fullmatch(channel.type):
            raise BagError(f"{channel.type!r} is no type of ROS 2")
        key = (channel.type, channel.language, channel.definition)
        if key not in self._made:
            try:
                self._made[key] = self._make(channel)
            except BagError as error:
                self._made[key] = error
        made = self._made[key]
        if isinstance(made, BagError):
            raise made
        return made

    def _make(self, channel: Channel) -> Decode:
        store, name = self._store(channel), channel.type

        def decode(data: bytes) -> Any:
            try:
                return store.deserialize_cdr(data, name)
            except SerdeError as error:
                raise DecodeError(str(error)) from None
            except Exception as error:  # of the code made for an odd definition, or by odd bytes
                raise DecodeError(f"{type(error).__name__}: {text_of(error)}") from None

        return decode

    def _store(self, channel: Channel) -> Typestore:
        if channel.definition.strip():
            return self._parsed(channel)
        if channel.type in self._known.fielddefs:
            return self._known
        self._installed.need(channel.type)
        return self._installed.store

    def _parsed(self, channel: Channel) -> Typestore:
        store = get_typestore(Stores.EMPTY)
        try:
            if channel.language == "ros2idl":
                parts = channel.definition.split(IDL_PART)
                for part in (part for part in parts if part.strip()):
                    text = part.partition("\n")[2] if part.startswith("IDL: ") else part
                    store.register(get_types_from_idl(text))
            elif channel.language == "ros2msg":
                store.register(get_types_from_msg(channel.definition, channel.type))
            else:
                raise BagError(f"its definition is written in {channel.language!r}")
        except BagError:
            raise
        except TypesysError:
            raise BagError(f"the definition of {channel.type} cannot be parsed") from None
        except Exception as error:  # the parser meets text that nobody foresaw
            raise BagError(f"the definition of {channel.type}: {describe(error)}") from None
        if channel.type not in store.fielddefs:
            raise BagError(f"the recording's definition of {channel.type} is of something else")
        self._complete(store, {channel.type})
        self.definitions.update(store.fielddefs)
        return store

    def _complete(self, store: Typestore, names: set[str]) -> None:
        """Add types that the definition names and leaves out, as some writers do."""
        known, missing = self._known.fielddefs, names
        while missing:
            for name in missing:
                if name not in store.fielddefs and name not in known:
                    raise BagError(f"its definition names {name}, which is not defined")
            added = {name: known[name] for name in missing if name not in store.fielddefs}
            if added:
                store.register(added)
            names = names | missing
            missing = {n for name in missing for n in nested_types(store.fielddefs, name)} - names


def _store_of(distribution: str) -> Typestore:
    try:
        return get_typestore(Stores(f"ros2_{distribution or WITHOUT_DEFINITIONS}"))
    except ValueError:
        return get_typestore(Stores(f"ros2_{WITHOUT_DEFINITIONS}"))
