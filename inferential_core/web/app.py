"""The HTTP routes. Each of them only reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..metrics.telemetry import Telemetry
from .stream import HEADERS, EventStream, Hub
from .view import Fleet

PAGE = Path(__file__).parent / "page"
_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def make_app(server: Telemetry, fleet: Fleet, hub: Hub) -> Starlette:
    """The application; what guards it is in `guard`."""

    async def status(request: Request) -> Response:
        most = request.query_params.get("clients")
        if most is not None and not (most.isascii() and most.isdecimal()):
            return PlainTextResponse("clients: at most so many, as in ?clients=100\n", 400)
        text = fleet.status_text(None if most is None else int(most[:9]))
        return Response(text, media_type="application/json")

    async def stream(request: Request) -> Response:
        if request.method == "HEAD":
            head = Response(media_type=EventStream.media_type, headers=HEADERS)
            del head.headers["content-length"]
            return head
        return EventStream(hub)

    async def metrics(request: Request) -> Response:
        try:
            from ..metrics.prometheus import CONTENT_TYPE, exposition
        except ModuleNotFoundError as error:
            return PlainTextResponse(
                f"metrics need {error.name}: pip install 'inferential[server]'\n", 503
            )
        return Response(exposition(server), media_type=CONTENT_TYPE)

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n" if server.running else "stopped\n", _code(server.running))

    async def readyz(request: Request) -> Response:
        # A model that is added to those that are served makes a server no less ready.
        status = server.status()
        models = [it for it in status["models"] if it["change"] != "loading"]
        ready = server.running and not status["draining"]
        ready = ready and not any(it["unavailable"] for it in models)
        return PlainTextResponse("ready\n" if ready else "not ready\n", _code(ready))

    files = [Route(path, _file(*what)) for path, what in _FILES.items()]
    return Starlette(
        routes=[
            *files,
            Route("/api/status", status),
            Route("/api/stream", stream),
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ]
    )


def _code(well: bool) -> int:
    return 200 if well else 503


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = (PAGE / name).read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return send
