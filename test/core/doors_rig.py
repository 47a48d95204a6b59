"""Servers with doors, and clients of other servers' protocols as they are on the wire."""

from __future__ import annotations

import io
import json
import socket
import time
from contextlib import ExitStack
from dataclasses import replace

import msgpack
import numpy as np
import zmq
from websockets.sync.client import connect

from inferential_core import InferentialConfig, LocalDispatcher, Server

BOUND_S = 20.0


def serve(models, *doors, dispatcher=None, **sections) -> Server:
    """A server on free ports; each door is a kind, or what the configuration says of it."""
    entries = [door if isinstance(door, dict) else {"kind": door} for door in doors]
    config = InferentialConfig(
        transport=sections.pop("transport", {"bind": "tcp://127.0.0.1:0"}),
        doors=[{"bind": "127.0.0.1:0", **entry} for entry in entries],
        **sections,
    )
    return Server(config=config, dispatcher=dispatcher or LocalDispatcher(models))


def address(server: Server, number: int = 0) -> str:
    return server.doors()[number]["address"]


def port(server: Server, number: int = 0) -> int:
    return int(address(server, number).rpartition(":")[2])


def wait_for(condition, told=None) -> None:
    """told: says what there is in place of what was waited for."""
    until = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < until, told() if told else "it never came to be"
        time.sleep(0.005)


class Starting(LocalDispatcher):
    """Its models have not been ready yet, until `let_start`."""

    _started = False

    def let_start(self) -> None:
        self._started = True
        self.on_change()

    def models(self):
        if self._started:
            return super().models()
        return {
            name: replace(info, specification={}, unavailable="it loads", starting=True)
            for name, info in super().models().items()
        }


class JsonLinesClient:
    def __init__(self, server: Server, number: int = 0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port(server, number)), BOUND_S)
        self._file = self._socket.makefile("rb")

    def ask(self, **said):
        self._socket.sendall(json.dumps(said).encode() + b"\n")
        return json.loads(self._file.readline())

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> JsonLinesClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class OpenpiClient:
    """As `openpi_client.WebsocketClientPolicy` speaks; as_key: str for clients without bytes."""

    def __init__(self, url: str, as_key=str.encode, **options) -> None:
        self._key = as_key
        self._stack = ExitStack()  # entered, it is the same in every release of websockets
        opened = connect(url, compression=None, max_size=None, open_timeout=BOUND_S, **options)
        self._socket = self._stack.enter_context(opened)
        self.metadata = msgpack.unpackb(self._socket.recv(BOUND_S))

    def pack(self, value) -> bytes:
        return msgpack.packb(value, default=self._array)

    def _array(self, value):
        names = ("__ndarray__", "data", "dtype", "shape")
        found = (True, value.tobytes(), value.dtype.str, value.shape)
        return {self._key(name): each for name, each in zip(names, found)}

    def read(self, data):
        def hook(items):
            if self._key("__ndarray__") not in items:
                return items
            dtype = np.dtype(items[self._key("dtype")])
            array = np.frombuffer(items[self._key("data")], dtype)
            return array.reshape(items[self._key("shape")])

        return data if isinstance(data, str) else msgpack.unpackb(data, object_hook=hook)

    def infer(self, observation):
        """The answer; a text is an error."""
        return self.raw(self.pack(observation))

    def raw(self, message):
        self._socket.send(message)
        return self.read(self._socket.recv(BOUND_S))

    def send(self, message) -> None:
        self._socket.send(message)

    def receive(self):
        return self.read(self._socket.recv(BOUND_S))

    @property
    def socket(self):
        return self._socket

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> OpenpiClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Gr00tClient:
    """As GR00T's PolicyClient speaks: in the codec of N1.5 and N1.6, or in that of the newest."""

    def __init__(self, server: Server, number=0, codec="npy", token=None, url="") -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVTIMEO, int(1000 * BOUND_S))
        self._socket.connect(url or address(server, number))
        self._codec = codec
        self._token = token

    def call(self, endpoint: str, data=None):
        request = {"endpoint": endpoint}
        if data is not None:
            request["data"] = data
        if self._token is not None:
            request["api_token"] = self._token
        return self.read(self.raw(msgpack.packb(request, default=self._array)))

    def act(self, observation, options=None):
        return self.call("get_action", {"observation": observation, "options": options})

    def pack(self, observation) -> bytes:
        return msgpack.packb(
            {"data": {"observation": observation, "options": None}}, default=self._array
        )

    @property
    def socket(self):
        return self._socket

    def raw(self, *frames: bytes) -> bytes:
        self.send(*frames)
        return self._socket.recv()

    def send(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    def receive(self):
        return self.read(self._socket.recv())

    def _array(self, value):
        if self._codec == "npy":
            file = io.BytesIO()
            np.save(file, value, allow_pickle=False)
            return {"__ndarray_class__": True, "as_npy": file.getvalue()}
        return {
            b"nd": True,
            b"type": value.dtype.str,
            b"kind": b"",
            b"shape": value.shape,
            b"data": value.tobytes(),
        }

    def read(self, body: bytes):
        def hook(items):
            if self._codec == "npy" and "__ndarray_class__" in items:
                return np.load(io.BytesIO(items["as_npy"]), allow_pickle=False)
            if self._codec != "npy" and items.get(b"nd"):
                return np.frombuffer(items[b"data"], items[b"type"]).reshape(items[b"shape"])
            return items

        return msgpack.unpackb(body, object_hook=hook)

    def close(self) -> None:
        self._socket.close()
        self._context.term()

    def __enter__(self) -> Gr00tClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
