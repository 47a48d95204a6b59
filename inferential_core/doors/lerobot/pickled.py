"""Reads the pickles that LeRobot's robots send, without the machine that pickle is.

A pickle is a program. This interpreter knows only the operations that plain data need; a global is
a name in a list, which is compared and never imported; and a call of it, an object or its state is
noted as a `Record` instead of carried out. So there is nothing here that what is read could run.
Every length is compared with what has come before anything is made, and bytes stay views of the
message. The opcodes are those of Python's Lib/pickletools.py, as protocols 4 and 5 write them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import RejectedError
from ...wire.images import Buffer

MOST_OPERATIONS = 10_000  # a robot with 200 motors and ten cameras needs some 2,000
MOST_NESTED = 16
_QUOTED = 60  # characters of a foreign name that an error repeats

# since 0.4, and before
_LEROBOT = ("lerobot.async_inference.helpers", "lerobot.scripts.server.helpers")
_NUMPY = ("numpy._core", "numpy.core")  # since 2.0, and before
NAMES = frozenset(
    (
        *((module, "RemotePolicyConfig") for module in _LEROBOT),
        *((module, "TimedObservation") for module in _LEROBOT),
        *((f"{numpy}.multiarray", "_reconstruct") for numpy in _NUMPY),
        *((f"{numpy}.multiarray", "scalar") for numpy in _NUMPY),
        *((f"{numpy}.numeric", "_frombuffer") for numpy in _NUMPY),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    )
)


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that the message names. Nobody looks for it."""

    module: str
    name: str


@dataclass(eq=False, slots=True)
class Record:
    """What the message asks to be made: of what, with which arguments, and in which state."""

    of: Name
    arguments: tuple[Any, ...]
    state: Any = None


def read(data: Buffer) -> Any:
    """The value in `data`: None, bool, int, float, str, memoryview, tuple, list, dict or Record.

    It ends: nothing in it contains itself, is nested more than `MOST_NESTED` times, or has more
    than `MOST_OPERATIONS` parts, however often a part is used. Keys of dicts are texts.
    RejectedError says what is wrong, and where.
    """
    reader = _Reader(memoryview(data))
    try:
        value = reader.run()
    except (IndexError, struct.error):
        raise RejectedError(f"the pickle is damaged or cut off at byte {reader.at}") from None
    except UnicodeDecodeError:
        raise RejectedError(f"the pickle's text at byte {reader.at} is no UTF-8") from None
    _check_size(value)
    return value


class _Reader:
    """The state of one reading; `at` is where it is."""

    def __init__(self, data: memoryview) -> None:
        self.at = 0
        self._data = data.cast("B")
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under the open marks
        self._memo: list[Any] = []

    def run(self) -> Any:
        data = self._data
        if len(data) < 2 or data[0] != 0x80 or data[1] not in (4, 5):
            raise RejectedError("the message is no pickle of protocol 4 or 5, as robots send it")
        self.at = 2
        for _ in range(MOST_OPERATIONS):
            opcode = data[self.at]
            self.at += 1
            if opcode == _STOP:
                return self._result()
            operation = _OPERATIONS.get(opcode)
            if operation is None:
                raise RejectedError(
                    f"the pickle has opcode 0x{opcode:02x} at byte {self.at - 1},"
                    " which no observation needs"
                )
            operation(self)
        raise RejectedError(f"the pickle has more than {MOST_OPERATIONS} operations")

    def _result(self) -> Any:
        if len(self._stack) != 1 or self._below:
            raise RejectedError("the pickle ends before its value is complete")
        if self.at != len(self._data):
            raise RejectedError(f"the pickle has {len(self._data) - self.at} bytes behind its end")
        return self._stack[0]

    # --- parts of the operations ---

    def take(self, length: int) -> memoryview:
        """The next bytes, all of which have come."""
        end = self.at + length
        if end > len(self._data):
            raise RejectedError(
                f"the pickle tells of {length} bytes at byte {self.at}, of which"
                f" {len(self._data) - self.at} are there"
            )
        taken, self.at = self._data[self.at : end], end
        return taken

    def number(self, form: struct.Struct) -> Any:
        return form.unpack(self.take(form.size))[0]

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        return self._stack.pop()

    def top(self, kind: type) -> Any:
        return self.expect(self._stack[-1], kind)

    def expect(self, value: Any, kind: type) -> Any:
        if type(value) is not kind:
            raise RejectedError(
                f"the pickle has {_a(type(value))} at byte {self.at} where {_a(kind)} has to be"
            )
        return value

    def mark(self) -> None:
        if len(self._below) >= MOST_NESTED:
            raise RejectedError(f"the pickle is nested more than {MOST_NESTED} times")
        self._below.append(self._stack)
        self._stack = []

    def marked(self) -> list[Any]:
        """What was put on the stack since the last mark."""
        values, self._stack = self._stack, self._below.pop()
        return values

    # --- operations ---

    def remember(self) -> None:
        self._memo.append(self._stack[-1])

    def recall(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def pack(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def extend(self, values: list[Any]) -> None:
        self.top(list).extend(values)

    def set_items(self, items: list[Any]) -> None:
        found = self.top(dict)
        if len(items) % 2:
            raise RejectedError(f"the pickle has a key without a value at byte {self.at}")
        for key, value in zip(items[::2], items[1::2]):
            if self.expect(key, str) in found:
                raise RejectedError(f"the pickle has two values for {_quoted(key)}")
            found[key] = value

    def name(self) -> None:
        name, module = self.expect(self.pop(), str), self.expect(self.pop(), str)
        if (module, name) not in NAMES:
            raise RejectedError(
                f"the pickle names {_quoted(f'{module}.{name}')}, which no observation needs"
            )
        self.push(Name(module, name))

    def call(self) -> None:
        arguments = self.expect(self.pop(), tuple)
        self.push(Record(self.expect(self.pop(), Name), arguments))

    def build(self) -> None:
        state = self.pop()
        record: Record = self.top(Record)
        if record.state is not None or state is None:
            raise RejectedError(f"the pickle gives an object no state, or two, at byte {self.at}")
        record.state = state


def _check_size(value: Any) -> None:
    """RejectedError if a value is nested too deeply, or without an end, or has too many parts."""
    parts, open_parts = 0, [iter((value,))]
    while open_parts:
        for part in open_parts[-1]:
            parts += 1
            if parts > MOST_OPERATIONS:
                raise RejectedError(f"the pickle has more than {MOST_OPERATIONS} parts")
            inner = _parts_of(part)
            if inner is not None:
                if len(open_parts) > MOST_NESTED:
                    raise RejectedError(f"the pickle is nested more than {MOST_NESTED} times")
                open_parts.append(inner)
                break
        else:
            open_parts.pop()


def _parts_of(value: Any) -> Iterator[Any] | None:
    if isinstance(value, dict):
        return iter(value.values())
    if isinstance(value, (list, tuple)):
        return iter(value)
    return iter((value.arguments, value.state)) if isinstance(value, Record) else None


def _a(kind: type) -> str:
    name = {memoryview: "bytes", type(None): "None"}.get(kind, kind.__name__.lower())
    return f"a {name}"


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}...")


_Operation = Callable[[_Reader], None]
_STOP = ord(".")
_U1, _U2, _U4, _U8 = (struct.Struct(form) for form in ("<B", "<H", "<I", "<Q"))
_I4, _F8 = struct.Struct("<i"), struct.Struct(">d")


def _constant(value: Any) -> _Operation:
    return lambda reader: reader.push(value)


def _number(form: struct.Struct) -> _Operation:
    return lambda reader: reader.push(reader.number(form))


def _text(length: struct.Struct) -> _Operation:
    return lambda reader: reader.push(str(reader.take(reader.number(length)), "utf-8"))


def _bytes(length: struct.Struct) -> _Operation:
    return lambda reader: reader.push(reader.take(reader.number(length)))


def _integer(reader: _Reader) -> None:
    length = reader.number(_U1)
    if length > 8:
        raise RejectedError(f"the pickle has an integer of {length} bytes at byte {reader.at}")
    reader.push(int.from_bytes(reader.take(length), "little", signed=True))


_OPERATIONS: dict[int, _Operation] = {
    0x95: lambda reader: reader.number(_U8),  # FRAME: how long a part is, which nobody needs
    ord("("): _Reader.mark,
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("K"): _number(_U1),  # BININT1
    ord("M"): _number(_U2),  # BININT2
    ord("J"): _number(_I4),  # BININT
    0x8A: _integer,  # LONG1
    ord("G"): _number(_F8),  # BINFLOAT
    0x8C: _text(_U1),  # SHORT_BINUNICODE
    ord("X"): _text(_U4),  # BINUNICODE
    0x8D: _text(_U8),  # BINUNICODE8
    ord("C"): _bytes(_U1),  # SHORT_BINBYTES
    ord("B"): _bytes(_U4),  # BINBYTES
    0x8E: _bytes(_U8),  # BINBYTES8
    0x96: _bytes(_U8),  # BYTEARRAY8
    ord(")"): _constant(()),
    0x85: lambda reader: reader.pack(1),  # TUPLE1
    0x86: lambda reader: reader.pack(2),
    0x87: lambda reader: reader.pack(3),
    ord("t"): lambda reader: reader.push(tuple(reader.marked())),
    ord("]"): lambda reader: reader.push([]),
    ord("a"): lambda reader: reader.extend([reader.pop()]),
    ord("e"): lambda reader: reader.extend(reader.marked()),
    ord("}"): lambda reader: reader.push({}),
    ord("s"): lambda reader: reader.set_items([reader.pop(), reader.pop()][::-1]),
    ord("u"): lambda reader: reader.set_items(reader.marked()),
    0x94: _Reader.remember,  # MEMOIZE
    ord("h"): lambda reader: reader.recall(reader.number(_U1)),  # BINGET
    ord("j"): lambda reader: reader.recall(reader.number(_U4)),  # LONG_BINGET
    0x93: _Reader.name,  # STACK_GLOBAL
    ord("R"): _Reader.call,  # REDUCE
    0x81: _Reader.call,  # NEWOBJ
    ord("b"): _Reader.build,
}
