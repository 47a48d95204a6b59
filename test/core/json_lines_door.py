"""A door as somebody outside of this package writes it, with its public names only.

Its protocol is a line of JSON each way: {"state": [numbers], "left": steps} and
{"actions": [numbers]}.
"""

from __future__ import annotations

import json
import queue
import socket
import socketserver
import threading

import numpy as np

from inferential_core import Status
from inferential_core.doors import Door


class JsonLines(Door):
    kind = "json lines"
    takes_tokens = True

    def open(self) -> None:
        host, _, port = self.settings.bind.rpartition(":")
        try:
            self._server = _Server((host, int(port)), _Client)
        except OSError as error:
            raise self.cannot_listen(error) from None
        self._server.reception = self.reception
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def address(self) -> str:
        return "json://{}:{}".format(*self._server.server_address)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        for client in list(self._server.clients):
            client.shutdown(socket.SHUT_RDWR)
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.clients = set()


class _Client(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        reception = self.server.reception
        self.server.clients.add(self.request)
        visit = None
        replies: queue.Queue = queue.Queue()
        try:
            for line in self.rfile:
                said = json.loads(line)
                if visit is None:
                    visit = reception.enter(self.client_address[0], token=said.get("token", ""))
                state = np.array(said["state"], np.float32)
                model = reception.model_named(said.get("model", ""))
                visit.ask(model, {"x": state}, replies.put, steps_remaining=said.get("left"))
                reply = replies.get()
                answer = {"refused": reply.refusal}
                if reply.status is Status.OK:
                    answer = {"actions": reply.values()["actions"].tolist()}
                self._say(answer)
        except (ValueError, LookupError, TypeError) as error:  # refused, or no line of ours
            reception.refuse("refused")
            self._say({"refused": str(error)})
        finally:
            self.server.clients.discard(self.request)
            if visit is not None:
                visit.close()

    def _say(self, answer) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")
