"""Makes the server that a command line or the parameters of a node describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..config import command_config
from ..dispatch.base import Dispatcher
from ..dispatch.factory import choose
from ..dispatch.local.dispatcher import LocalDispatcher
from ..models.loading import targets
from . import preflight
from .server import Server


class Assembled(NamedTuple):
    """A server that is not started yet.

    where: where its models run and why there, in words for the log. empty: it has no model, and
    nothing brings one.
    """

    server: Server
    dispatcher: Dispatcher
    where: str
    empty: bool


def assemble(
    config_file: str | None,
    settings: Mapping[str, Any],
    *,
    models: Sequence[str],
    local: Mapping[str, Any],
    **dispatch: Any,
) -> Assembled:
    """From a configuration file, if there is one, which the server follows from then on.

    settings: of `command_config`; they, models and local win over the file. models, local,
    dispatch: of `choose`. ConfigError or UsageError names what is wrong, also where other machines
    could reach it without keys.
    """
    told = {**settings, "models": targets(models), "local": local}
    config = command_config(config_file, **told)
    preflight.check(config)
    dispatcher, where = choose(config, models=models, local=local, **dispatch)
    server = Server(config=config, dispatcher=dispatcher)
    if config_file:
        server.follow(config_file, lambda file: preflight.checked(command_config(file, **told)))
    empty = isinstance(dispatcher, LocalDispatcher) and not dispatcher.models()
    return Assembled(server, dispatcher, where, empty)
