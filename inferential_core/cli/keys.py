"""`inferential keys`: make key pairs, and say what each of them may do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..security.keyfiles import PUBLIC, SECRET, SERVER, make_keys, read_public

if TYPE_CHECKING:  # needs pydantic, which a robot lacks
    from ..security.rights import Identity

# by their names in authorized.yaml
RIGHTS = {
    "clients": "--client",
    "models": "--model",
    "priority": "--priority",
    "rate_hz": "--rate",
    "bytes_per_s": "--bytes-per-s",
    "changes": "--change",
}


def main(argv: Sequence[str]) -> int:
    """0; ConfigError or UsageError tells what cannot be done."""
    options = _parser().parse_args(argv)
    options.folder = Path(options.keys).expanduser()
    options.run(options)
    return 0


def _new(options: argparse.Namespace) -> None:
    if options.authorize and options.name == SERVER:
        raise UsageError(f"{SERVER!r} names the server's own pair, which needs no rights")
    if not options.authorize and _given(options):
        raise UsageError("grant rights with --authorize, or with inferential keys authorize")
    rights = _rights(options) if options.authorize else {}
    public, secret = make_keys(options.folder, options.name)
    identity = None
    if options.authorize:
        try:
            identity = _let_in(options.folder, options.name, public, rights)
        except BaseException:  # who tries again finds no pair in the way
            public.unlink()
            secret.unlink()
            raise
    print(f"{secret}  secret: keep it on {_whom(options.name)}, where nobody else can read it")
    print(f"{public}  public" + (": give it to every client" if options.name == SERVER else ""))
    if identity is not None:
        _tell(identity)


def _authorize(options: argparse.Namespace) -> None:
    from ..security.rights_file import entry_of

    folder, name, public_key = options.folder, options.name, options.public_key
    before = entry_of(folder, name) or {}
    file = folder / (name + PUBLIC)
    if public_key is None and not before.get("key") and (file.exists() or not before):
        public_key = file
    identity = _let_in(folder, name, public_key, _rights(options))
    _tell(identity)
    if before.get("revoked"):
        print(f"{name} was revoked, and is let in again")
    # Who has a key keeps it: the one in the file may be an older one, and stolen.
    if public_key is None and file.exists() and read_public(file).decode("ascii") != identity.key:
        print(f"{file} holds another key, which is not let in: --public-key {file} would do so")


def _let_in(
    folder: Path, name: str, public_key: str | Path | None, rights: Mapping[str, Any]
) -> Identity:
    from ..security.rights_file import authorize

    key = None if public_key is None else read_public(public_key).decode("ascii")
    return authorize(folder, name, key, rights)


def _tell(identity: Identity) -> None:
    print(
        f"{identity.name} may use the client ids {', '.join(identity.patterns)} and ask the models"
        f" {', '.join(identity.models)}; its most important tier is {identity.priority}"
    )
    if identity.changes:
        print(
            f"over the network it may load, replace and unload {', '.join(identity.changes)}, from"
            " the folders that the server's control.folders names"
        )


def _token(options: argparse.Namespace) -> None:
    from ..security.rights_file import give_token

    def show(token: str) -> None:
        print(token, flush=True)

    rights, replace = _rights(options), options.replace
    identity = give_token(options.folder, options.name, rights, show=show, replace=replace)
    print(
        f"this is the token of {options.name}, which nobody can show again: an API key of openpi,"
        f" an api_token of GR00T; it may use the client ids {', '.join(identity.patterns)} and ask"
        f" the models {', '.join(identity.models)}",
        file=sys.stderr,
    )


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The rights that are named on the command line."""
    return {name: value for name in RIGHTS if (value := getattr(options, name)) is not None}


def _rights(options: argparse.Namespace) -> dict[str, Any]:
    """As `_given`; UsageError names the option whose value nobody can be given."""
    from pydantic import ValidationError  # as all of the rights: the server's side

    from ..security.rights import Identity

    rights = _given(options)
    try:
        Identity.model_validate(rights)
    except ValidationError as error:
        first = error.errors()[0]
        told = f"{first['msg']}, not {first['input']!r}"
        raise UsageError(f"{RIGHTS[str(first['loc'][0])]}: {told}") from None
    return rights


def _revoke(options: argparse.Namespace) -> None:
    from ..security.rights_file import revoke

    revoke(options.folder, options.name)
    print(f"{options.name} is revoked; a running server refuses it within a second")


def _list(options: argparse.Namespace) -> None:
    from ..security.rights_file import listed

    for line in listed(options.folder):
        print(line)


def _whom(name: str) -> str:
    return "this machine" if name == SERVER else f"the machine of {name}"


def _parser() -> argparse.ArgumentParser:
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument(
        "--keys", default="keys", metavar="DIR", help="folder of the keys (default ./keys)"
    )
    rights = argparse.ArgumentParser(add_help=False)
    group = rights.add_argument_group("rights (those that are not given stay as they are)")
    group.add_argument(
        "--client",
        dest="clients",
        action="append",
        metavar="PATTERN",
        help="client ids that it may use, such as arm-* (default NAME and NAME/*); may be"
        " repeated",
    )
    group.add_argument(
        "--model",
        dest="models",
        action="append",
        metavar="PATTERN",
        help="models that it may ask; may be repeated",
    )
    group.add_argument(
        "--priority",
        type=int,
        metavar="TIER",
        help="its most important tier (default 1; 0 is more important)",
    )
    group.add_argument(
        "--rate",
        dest="rate_hz",
        type=float,
        metavar="HZ",
        help="observations a second, at most",
    )
    group.add_argument("--bytes-per-s", type=float, metavar="N", help="bytes a second, at most")
    group.add_argument(
        "--change",
        dest="changes",
        action="append",
        metavar="PATTERN",
        help="models that it may load, replace and unload over the network, from the server's"
        " control.folders (default none); may be repeated",
    )

    parser = argparse.ArgumentParser(
        prog="inferential keys",
        description="Make the keys of the server and of the robots, and say what each may do: see"
        " docs/security.md.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser(
        "new",
        parents=[folder, rights],
        help=f"make a key pair: NAME{SECRET} and NAME{PUBLIC}; {SERVER} is the server's name",
    )
    new.add_argument("--authorize", action="store_true", help="let this key in at once")
    new.set_defaults(run=_new)
    authorize = commands.add_parser(
        "authorize", parents=[folder, rights], help="let a key in, or change its rights"
    )
    authorize.add_argument(
        "--public-key",
        metavar="FILE",
        help="the public key, as a file or as text (default DIR/NAME.key; where there is no such"
        " file, the key or the token that NAME has)",
    )
    authorize.set_defaults(run=_authorize)
    token = commands.add_parser(
        "token", parents=[folder, rights], help="make a token for a client that comes in by a door"
    )
    token.add_argument(
        "--replace",
        action="store_true",
        help="shut out whoever has the token that NAME has now, and make another one",
    )
    token.set_defaults(run=_token)
    revoke = commands.add_parser("revoke", parents=[folder], help="shut a key out at once")
    revoke.set_defaults(run=_revoke)
    for command in (new, authorize, token, revoke):
        command.add_argument("name", metavar="NAME", help="name of the identity, such as robot_1")
    show = commands.add_parser(
        "list", parents=[folder], help="print every identity with its rights"
    )
    show.set_defaults(run=_list)
    return parser
