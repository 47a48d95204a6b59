"""Reads from the headers of an H.264 stream whether a picture was lost before another one.

A decoder goes on after a loss and fills the gap with what it has, without a word: FFmpeg's does.
The pictures that others are predicted from are numbered (`frame_num`), and each slice says which
one it belongs to. Source: ITU-T H.264, sections 7.3.2.1.1 (sequence parameter set), 7.3.3 (slice
header) and 7.4.3 (frame_num).
"""

from __future__ import annotations

from collections.abc import Iterator

_SLICE, _IDR_SLICE, _SEQUENCE = 1, 5, 7  # types of NAL units
_WITH_CHROMA_FORMAT = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134)  # profiles
_HEADER = 128  # bytes of a NAL unit that hold all that is read here, but for scaling lists


class FrameNumbers:
    """Follows the numbers of one stream; packets hold whole pictures, in Annex B form."""

    def __init__(self) -> None:
        self._bits = 0  # of frame_num; 0: no parameter set yet, or one that allows for gaps
        self._separate_planes = False
        self._previous: int | None = None

    def gap_before(self, packet: bytes) -> bool:
        """Whether a picture that others are predicted from is missing before this one."""
        for unit in units(packet):
            kind, is_reference = unit[0] & 31, bool(unit[0] & 0x60)
            if kind == _SEQUENCE:
                self._read_sequence(Bits(unit[1:]))
            elif kind in (_SLICE, _IDR_SLICE) and self._bits:
                return self._gap(Bits(unit[1:_HEADER]), kind == _IDR_SLICE, is_reference)
        return False

    def _gap(self, bits: Bits, is_idr: bool, is_reference: bool) -> bool:
        for _ in range(3):  # first macroblock, type of the slice, parameter set
            bits.golomb()
        if self._separate_planes:
            bits.take(2)
        number, previous = bits.take(self._bits), self._previous
        if is_reference or previous is None or is_idr:
            self._previous = number
        if is_idr or previous is None:
            return False
        return number not in (previous, (previous + 1) % (1 << self._bits))

    def _read_sequence(self, bits: Bits) -> None:
        profile = bits.take(8)
        bits.take(16)  # constraints, level
        bits.golomb()
        self._separate_planes = False
        if profile in _WITH_CHROMA_FORMAT:
            chroma = bits.golomb()
            self._separate_planes = chroma == 3 and bool(bits.take(1))
            bits.golomb()  # bits of luma and of chroma
            bits.golomb()
            bits.take(1)
            if bits.take(1):
                _skip_scaling(bits, 12 if chroma == 3 else 8)
        length = bits.golomb() + 4
        _skip_order(bits)
        bits.golomb()  # reference frames
        self._bits = 0 if bits.take(1) else length


def _skip_scaling(bits: Bits, lists: int) -> None:
    for index in range(lists):
        if bits.take(1):
            last = following = 8
            for _ in range(16 if index < 6 else 64):
                if following:
                    following = (last + bits.signed_golomb()) % 256
                last = following or last


def _skip_order(bits: Bits) -> None:
    """The fields of the picture order count."""
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        for _ in range(min(255, bits.golomb())):
            bits.golomb()


def units(packet: bytes) -> Iterator[bytes]:
    """The NAL units of a packet in Annex B form, each without its start code."""
    at = packet.find(b"\0\0\1")
    while at >= 0:
        end = packet.find(b"\0\0\1", at + 3)
        unit = packet[at + 3 : end if end >= 0 else len(packet)]
        if unit:
            yield unit
        at = end


class Bits:
    """Reads bits, the highest of each byte first; past the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        data = data.replace(b"\0\0\3", b"\0\0")  # what keeps start codes out of the data
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """An unsigned number of so many bits."""
        self._left -= count
        shifted = self._value >> self._left if self._left >= 0 else 0
        return shifted & ((1 << count) - 1)

    def golomb(self) -> int:
        """An Exp-Golomb number (section 9.1)."""
        zeros = 0
        while zeros < 32 and self._left > 0 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_golomb(self) -> int:
        """The same with a sign."""
        number = self.golomb()
        return (number + 1) // 2 if number % 2 else -(number // 2)
