"""The fleet's page, its data and the metrics over HTTP. Nothing here changes the server.

    /              the page; /page.css and /page.js are all it needs
    /api/status    JSON: Server.status(), the time, and what is worked out of recent requests
    /api/stream    the same for the page, as server-sent events, once or twice a second
    /metrics       Prometheus text

On a thread and an event loop of its own, so that whoever looks cannot hold up a robot. Imported
by the server when `http.bind` asks for it, and only then are starlette and uvicorn needed.

    service -> app -> guard, stream, view -> window
"""
