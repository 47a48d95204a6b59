"""Checks every HTTP request: method, Host, Origin and token; and sets headers of each answer.

A browser on the operator's machine visits other sites as well. Host is checked so that none of
them can point a name of its own at this server (DNS rebinding), Origin so that none can read from
it; and the policy sent with each answer lets the page load nothing but its own three files.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .token import Token

# For orchestrators, which know no token and ask by whatever address they have. One word each.
PROBES = ("/healthz", "/readyz")

ADMITTED = "inferential.admitted"  # in the scope of a request that may be answered

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class RequestGuard:
    """ASGI middleware.

    port: the one listened on. loopback: only this machine reaches it. token: demanded where it
    is given. hosts: names it is reached under beside localhost, addresses and the machine's own.
    """

    def __init__(
        self,
        app: ASGIApp,
        port: int,
        loopback: bool,
        token: Token | None = None,
        hosts: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._loopback = loopback
        self._token = token
        self._cookie = f"inferential_{port}"  # cookies do not tell ports apart
        name = socket.gethostname().lower()
        self._hosts = {"localhost", name, f"{name}.local", *(each.lower() for each in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # lifespan and WebSockets are not for us

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        scope[ADMITTED] = refusal is None and scope["path"] not in PROBES
        app = refusal or self._app
        await app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["path"] in PROBES and scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("only GET and HEAD\n", 405, {"Allow": "GET, HEAD"})
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_our_name(host):
            return PlainTextResponse(
                f"the Host header says {host[:100]!r}, which is no name of this server; names it"
                " is reached under go into http.hosts\n",
                403,
            )
        if not _same_origin(headers, host, scope["path"]):
            return PlainTextResponse("another site asks: refused\n", 403)
        if self._token is not None:
            return self._without_token(self._token, scope, headers)
        return None

    def _is_our_name(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._loopback  # nobody can rebind a bare address

    def _without_token(self, token: Token, scope: Scope, headers: Headers) -> Response | None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.matches(given.strip()):
            return None
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            cookie = None
        if cookie is not None and token.is_cookie(cookie.value):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and token.matches(query.get("token", [""])[0]):
            answer = RedirectResponse("/", 303)  # so that the token stands in no address bar
            answer.set_cookie(self._cookie, token.cookie, httponly=True, samesite="strict")
            return answer
        return PlainTextResponse(
            "a token is needed: open /?token=... once, or send Authorization: Bearer ...\n",
            401,
            {"WWW-Authenticate": "Bearer"},
        )


def _same_origin(headers: Headers, host: str, path: str) -> bool:
    origin = headers.get("origin")
    try:
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return False
    except ValueError:  # no address at all
        return False
    # A link from elsewhere may lead to the page; nothing else is fetched across sites.
    return path == "/" or headers.get("sec-fetch-site", "none") in ("none", "same-origin")
