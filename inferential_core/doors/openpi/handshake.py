"""The HTTP request with which a client comes, and the response that lets it in. No I/O."""

from __future__ import annotations

import logging
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from ...errors import text_of
from ...suggestion import nearest

_REALTIME = "v1/realtime/robot/openpi"  # the path of other servers that speak openpi's protocol
_QUERY = ("client", "model")  # what may stand behind the ? of an address

_silent = logging.getLogger(f"{__name__}.websockets")  # strangers fill no log
_silent.propagate = False
_silent.addHandler(logging.NullHandler())


class Handshake:
    """What one client asks for before it speaks WebSocket.

    whole: whether the request has arrived. model, client_id, token: what it names of them, else
    empty. mistake: what is wrong with its address, else empty. rest: what came behind it.
    """

    def __init__(self) -> None:
        self.whole = False
        self._begun = False
        self.path = self.model = self.client_id = self.token = self.mistake = ""
        self.rest = b""
        self._reader = StreamReader()
        self._request: Request | None = None
        self._parser = Request.parse(self._reader.read_line)
        # browsers tell an origin, and no page of theirs has business here
        self._protocol = ServerProtocol(origins=[None], logger=_silent)

    def read(self, data: bytes) -> bool:
        """Whether the request is whole with these bytes; ValueError where it is none."""
        if not (self._begun or data[:1].isalpha()):
            raise ValueError("no HTTP")  # such as TLS, whose client waits for us to speak
        self._begun = True
        self._reader.feed_data(data)
        try:
            next(self._parser)
        except StopIteration as parsed:
            request = parsed.value
        except Exception as error:  # of websockets: several of its own, RuntimeError
            raise ValueError(text_of(error)) from None
        else:
            return False
        self.whole = True
        self.rest = bytes(self._reader.buffer)
        try:
            self._understand(request)
        except LookupError:  # MultipleValuesError
            raise ValueError("two headers of one name") from None
        return True

    def _understand(self, request: Request) -> None:
        self._request = request
        url = urlsplit(request.path)
        said = parse_qs(url.query, keep_blank_values=True)
        query = {name: values[-1] for name, values in said.items()}
        self.path = url.path
        named = unquote(url.path).strip("/")
        in_query = query.get("model", "")
        self.model = in_query if named in ("", _REALTIME) else named
        if unknown := [name for name in query if name not in _QUERY]:
            told = nearest(unknown[0][:64], _QUERY)
            self.mistake = f"the address has an unknown key {unknown[0][:64]!r}: {told}"
        elif twice := [name for name, values in said.items() if len(set(values)) > 1]:
            self.mistake = f"the address has two values for ?{twice[0]}="
        elif in_query not in ("", self.model):
            self.mistake = (
                f"the path of the address names the model {named[:64]!r}, and ?model= names"
                f" {in_query[:64]!r}: name one"
            )
        self.client_id = query.get("client", "")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme in ("Api-Key", "Bearer"):
            self.token = token.strip()

    def accept(self) -> tuple[bool, bytes]:
        """Whether this is a request for a WebSocket, and the response that says so, or why not."""
        assert self._request is not None
        response = self._protocol.accept(self._request)
        return response.status_code == HTTPStatus.SWITCHING_PROTOCOLS, response.serialize()

    def answer(self, status: HTTPStatus, text: str) -> bytes:
        """Another response, after which the connection ends."""
        return self._protocol.reject(status, text).serialize()
