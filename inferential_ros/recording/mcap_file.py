"""An MCAP file: indexed by its summary where that is whole, otherwise by a walk through it all.

A file that was cut off has no summary, and some writers leave out indexes; both are walked. The
format: https://mcap.dev/spec. Records are decoded by the package `mcap`; what it offers to read
messages is not used, as it loses the order of writing and ends at the first damaged record.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Attachment, Chunk, ChunkIndex, Metadata, Schema
from mcap.records import Channel as ChannelRecord
from mcap.stream_reader import get_chunk_data_stream
from mcap.summary import Summary

from inferential_ros.recording.mcap_records import (
    DAMAGE,
    INDEX,
    MESSAGE,
    PAIR,
    PREFIX,
    decompressed,
    entries_of,
    is_message,
    records,
)
from inferential_ros.recording.storage import ENTRY, Channel, Entry, Extras, message_type

MAGIC = b"\x89MCAP0\r\n"
OUTSIDE = -1  # the block of a message that lies in no chunk
CHUNKS_KEPT = 16  # decompressed: messages in the order of their times may alternate between chunks


class McapFile:
    """Open for reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._size = path.stat().st_size
        self._chunks: OrderedDict[int, bytes | None] = OrderedDict()
        self._schemas: dict[int, Schema] = {}
        self._records: dict[int, ChannelRecord] = {}
        self.extras = Extras()
        self.notes: list[str] = []
        summary = self._summary()
        entries = self._indexed(summary) if summary is not None else None
        if entries is None:
            entries = self._walked()
        self.entries = entries[np.lexsort((entries["offset"], entries["block"]))]
        self.channels = {number: self._channel(record) for number, record in self._records.items()}
        self.distribution = self.extras.metadata.get("rosbag2", {}).get("ROS_DISTRO", "")

    def read(self, entry: Entry) -> bytes | None:
        """The serialized message of an entry, or None where the file is damaged there."""
        if entry.block == OUTSIDE:
            _, content = self._record_at(entry.offset)
            return content[MESSAGE.size :]
        data = self._chunk(entry.block)
        if data is None:
            return None
        record = next(records(data, entry.offset), None)
        if record is None or not is_message(data, record, entry):
            self._note(
                f"the index of the chunk at byte {entry.block} is damaged: messages are left out"
            )
            return None
        return data[record.start + MESSAGE.size : record.start + record.length]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # --- by the summary ---

    def _summary(self) -> Summary | None:
        """That of a whole file; None where there is none."""
        try:
            self._file.seek(0)
            return SeekingReader(self._file).get_summary()
        except (*DAMAGE, OSError):
            return None

    def _indexed(self, summary: Summary) -> np.ndarray | None:
        """The entries; None where the indexes do not lead to every message."""
        statistics = summary.statistics
        if statistics is None:
            return None
        try:
            parts = [self._index_of(chunk) for chunk in summary.chunk_indexes]
            found = np.concatenate([np.zeros(0, ENTRY), *parts])
            if len(found) != statistics.message_count:
                return None
            if not set(np.unique(found["channel"])) <= summary.channels.keys():
                return None
            beside = [index.offset for index in summary.metadata_indexes]
            beside += [index.offset for index in summary.attachment_indexes]
            for position in beside:
                self._keep(*self._record_at(position))
        except DAMAGE:
            return None
        if statistics.metadata_count + statistics.attachment_count != len(beside):
            return None
        self._schemas.update(summary.schemas)
        self._records.update(summary.channels)
        return found

    def _index_of(self, chunk: ChunkIndex) -> np.ndarray:
        """The entries of one chunk, from the message indexes that follow it."""
        self._file.seek(chunk.chunk_start_offset + chunk.chunk_length)
        data = self._file.read(chunk.message_index_length)
        parts = [np.zeros(0, ENTRY)]
        for record in records(data, 0):
            if record.opcode != Opcode.MESSAGE_INDEX:
                continue
            channel, size = INDEX.unpack_from(data, record.start)
            pairs = np.frombuffer(data, PAIR, size // PAIR.itemsize, record.start + INDEX.size)
            parts.append(entries_of(channel, chunk.chunk_start_offset, pairs))
        return np.concatenate(parts)

    def _record_at(self, position: int) -> tuple[int, bytes]:
        self._file.seek(position)
        opcode, length = PREFIX.unpack(self._file.read(PREFIX.size))
        if position + PREFIX.size + length > self._size:
            raise ValueError(f"the record at byte {position} is longer than the file")
        return opcode, self._file.read(length)

    def _note(self, note: str) -> None:
        """Once, however many messages it is about."""
        if (told := f"{self._path.name}: {note}") not in self.notes:
            self.notes.append(told)

    # --- by a walk ---

    def _walked(self) -> np.ndarray:
        """The entries of every record up to the end, or to where the file was cut off."""
        found: list[tuple[int, int, int, int]] = []
        self.extras = Extras()
        position, ended = len(MAGIC), False
        while position + PREFIX.size <= self._size and not ended:
            self._file.seek(position)
            opcode, length = PREFIX.unpack(self._file.read(PREFIX.size))
            after = position + PREFIX.size + length
            if not opcode or after > self._size:
                break
            if opcode == Opcode.MESSAGE:
                channel, _, time_ns, _ = MESSAGE.unpack(self._file.read(MESSAGE.size))
                found.append((time_ns, channel, OUTSIDE, position))
            elif opcode == Opcode.CHUNK:
                found.extend(self._walk_chunk(position))
            else:
                self._keep_whole(opcode, self._file.read(length), position)
            ended = opcode in (Opcode.DATA_END, Opcode.FOOTER)
            position = after
        if not ended:
            self.notes.append(
                f"{self._path.name} ends early, at byte {position}: what was recorded until then"
                f" is read; `mcap recover {self._path.name}` makes a whole file of it"
            )
        return np.array([e for e in found if e[1] in self._records], ENTRY)

    def _walk_chunk(self, position: int) -> Iterator[tuple[int, int, int, int]]:
        data = self._chunk(position)
        for record in records(data or b"", 0):
            if record.opcode == Opcode.MESSAGE:
                channel, _, time_ns, _ = MESSAGE.unpack_from(data or b"", record.start)
                yield time_ns, channel, position, record.start - PREFIX.size
            else:
                content = (data or b"")[record.start : record.start + record.length]
                self._keep_whole(record.opcode, content, position)

    def _keep_whole(self, opcode: int, content: bytes, position: int) -> None:
        try:
            self._keep(opcode, content)
        except DAMAGE as error:
            self._note(f"the record at byte {position} is left out: {error}")

    # --- both ---

    def _keep(self, opcode: int, content: bytes) -> None:
        """Remember a record that is about the messages, or beside them."""
        stream = ReadDataStream(io.BytesIO(content))
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(stream)
            self._schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            channel = ChannelRecord.read(stream)
            self._records[channel.id] = channel
        elif opcode == Opcode.METADATA:
            metadata = Metadata.read(stream)
            self.extras.metadata.setdefault(metadata.name, {}).update(metadata.metadata)
        elif opcode == Opcode.ATTACHMENT:
            attachment = Attachment.read(stream)
            self.extras.attachments[attachment.name] = attachment.data

    def _chunk(self, position: int) -> bytes | None:
        """What the chunk at a position holds, decompressed; None where it is damaged."""
        if position in self._chunks:
            self._chunks.move_to_end(position)
            return self._chunks[position]
        data = None
        try:
            _, content = self._record_at(position)
            chunk = Chunk.read(ReadDataStream(io.BytesIO(content)))
            plain = replace(chunk, compression="", data=decompressed(chunk))
            stream, size = get_chunk_data_stream(plain, validate_crc=True)
            data = stream.read(size)
        except DAMAGE as error:
            self._note(f"the messages in the chunk at byte {position} are left out: {error}")
        self._chunks[position] = data
        while len(self._chunks) > CHUNKS_KEPT:
            self._chunks.popitem(last=False)
        return data

    def _channel(self, record: ChannelRecord) -> Channel:
        schema = self._schemas.get(record.schema_id)
        return Channel(
            number=record.id,
            topic=record.topic,
            type=message_type(schema.name) if schema is not None else "",
            encoding=record.message_encoding,
            language=schema.encoding if schema is not None else "",
            definition=schema.data.decode(errors="replace") if schema is not None else "",
        )
