"""`inferential config`: shows a server's settings, checks a file, prints the schema."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ..config import command_config, keys
from ..config.loading import Loaded, load
from ..config.section import Section
from ..config.yaml_source import Keys, dotted, place
from ..dispatch.local.options import check_ids
from ..doors.opening import ignored
from ..errors import ConfigError, InferentialError
from ..models.loading import targets
from ..scheduler.base import create_scheduler
from ..security.keyring import Keyring
from ..server.preflight import check_settings
from ..web.address import AUTO, OFF, parsed

_DEFAULT = "default"
_NO_TEXTS = ("true", "false", "null", "yes", "no", "on", "off")


def main(argv: Sequence[str]) -> int:
    """Returns the exit code; ConfigError where something is wrong."""
    options = _parser().parse_args(argv)
    if options.what == "schema":
        print(json.dumps(keys.schema(), indent=2))
        return 0
    loaded = load(options.file)
    if options.what == "show":
        print("\n".join(_shown(loaded, options.changed)))
        return 0
    sys.path.insert(0, str(Path.cwd()))
    _check_scheduler(loaded)
    _check_places(loaded)
    config = command_config(options.file)  # as inferential serve would have it
    check_settings(config)
    for told in ignored(config):
        print(f"warning: {told}", file=sys.stderr)
    lines = list(_lines(loaded.config, (), loaded, changed=True))
    count = sum(bool(origin) for _, origin in lines)
    print(f"{options.file or 'the environment'}: valid; {_differing(count)}")
    print("unchecked: whether its models can be made, and whether its ports are free")
    return 0


def _differing(count: int) -> str:
    """How many settings are not the default."""
    if not count:
        return "every setting has its default value"
    if count == 1:
        return "1 setting differs from its default"
    return f"{count} settings differ from their defaults"


def _check_scheduler(loaded: Loaded) -> None:
    """That the strategy and the policy are there, and take what is set for them."""
    try:
        create_scheduler(loaded.config.scheduling)
    except ConfigError as error:
        for name in ("policy", "strategy", "module"):
            if str(error).startswith(name):
                key = "modules" if name == "module" else name
                where = place(("scheduling", key), loaded.places)
                raise ConfigError(f"{where}: scheduling.{key}: {error}") from None
        raise


def _check_places(loaded: Loaded) -> None:
    """What a server would refuse, and of which the file's line is known."""
    config = loaded.config
    page, keys_folder, models = config.http.bind, config.security.keys, config.dispatch.models
    checks: list[tuple[Keys, Callable[[], object]]] = []
    if page not in ("", AUTO, OFF):
        checks.append((("http", "bind"), partial(parsed, page)))
    if keys_folder:
        checks.append((("security", "keys"), partial(Keyring, keys_folder)))
    for name, target in models.items():
        checks.append((("dispatch", "models", name), partial(targets, [f"{name}:={target}"])))
    if models:  # else a command line names them
        for option, ids in config.local.by_id():
            checks.append((("local", option), partial(check_ids, option, ids, models)))
    wrong = []
    for at, check in checks:
        try:
            check()
        except InferentialError as error:
            told = str(error).removeprefix(f"{dotted(at)} ")
            wrong.append(f"{place(at, loaded.places)}: {dotted(at)}: {told}")
    if wrong:
        raise ConfigError("\n".join(wrong))


def _shown(loaded: Loaded, changed: bool) -> Iterator[str]:
    """The tree as YAML, each value with where it comes from."""
    lines = list(_lines(loaded.config, (), loaded, changed))
    if not lines:
        lines = [("{}", "nothing is set: every setting has its default value")]
    width = min(56, max(len(text) for text, _ in lines))
    for text, origin in lines:
        yield f"{text:<{width}}  # {origin}" if origin else text


def _lines(section: Section, at: Keys, loaded: Loaded, changed: bool) -> Iterator[tuple[str, str]]:
    """Lines of YAML, and the origin of each; the heading of a section has none."""
    indent = "  " * len(at)
    for name, field in type(section).model_fields.items():
        own = (*at, name)
        value = getattr(section, name)
        if isinstance(value, Section):
            inner = list(_lines(value, own, loaded, changed))
            if inner:
                yield f"{indent}{name}:", ""
                yield from inner
            continue
        origin = _origin(own, value == field.get_default(call_default_factory=True), loaded)
        if origin != _DEFAULT or not changed:
            plain = section.model_dump(mode="json", include={name}, exclude_unset=True)
            yield f"{indent}{name}: {_in_yaml(plain.get(name, value))}", origin


def _origin(at: Keys, is_default: bool, loaded: Loaded) -> str:
    own = next((key for key in loaded.places if key[: len(at)] == at), None)
    if own is None and is_default:
        return _DEFAULT
    return place(own or at, loaded.places)


def _in_yaml(value: object) -> str:
    """On one line. JSON is YAML, but for what it cannot say."""
    if value == float("inf"):
        return ".inf"
    if isinstance(value, str) and value.replace("_", "").isalpha() and value not in _NO_TEXTS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential config",
        description="Show the settings of a server, check a configuration file, or print what may"
        " be in one.",
        epilog="The environment wins over a file: INFERENTIAL_SCHEDULING__MAX_BATCH_SIZE=16 sets"
        f" {dotted(('scheduling', 'max_batch_size'))}. docs/configuration.md explains all keys.",
    )
    commands = parser.add_subparsers(dest="what", required=True, metavar="show | check | schema")
    show = commands.add_parser("show", help="print every setting, its value and its origin")
    show.add_argument(
        "file", nargs="?", metavar="FILE", help="YAML or JSON file; without it: the defaults"
    )
    show.add_argument(
        "--changed", action="store_true", help="print only settings that differ from their default"
    )
    check = commands.add_parser(
        "check", help="check a file; exit code 0 if a server would accept it"
    )
    check.add_argument("file", metavar="FILE", help="YAML or JSON file")
    commands.add_parser("schema", help="print the JSON schema, for editors and other tools")
    return parser
