"""Key files, authorized.yaml, and the commands that write them."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zmq
from fleet_keys import Fleet, Keys

from inferential_core import (
    ConfigError,
    Connection,
    InferentialConfig,
    LocalDispatcher,
    Server,
    Status,
    UsageError,
)
from inferential_core import cli as command
from inferential_core.security import variables
from inferential_core.security.client import why_refused
from inferential_core.security.exposure import check_exposure, is_local
from inferential_core.security.keyfiles import make_keys, read_public, read_secret
from inferential_core.security.keyring import Keyring
from inferential_core.security.rights import TOKEN, Identity, digest_of, read_rights

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys")


def run(keys: Keys, *arguments: str) -> int:
    return command.main(["keys", *arguments, "--keys", str(keys.folder)])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- files ---


def test_nobody_else_can_read_a_secret_that_was_made(keys: Keys) -> None:
    assert mode(keys.folder) == 0o700
    assert mode(keys.folder / "robot_1.key_secret") == 0o600
    assert mode(keys.folder / "robot_1.key") == 0o644
    pair = read_secret(keys.folder / "robot_1.key_secret")
    assert read_public(keys.folder / "robot_1.key") == pair.public != pair.secret


@pytest.mark.parametrize("open_to", [0o040, 0o004, 0o020, 0o001])
def test_a_secret_that_others_can_touch_is_refused_with_the_command_that_mends_it(
    keys: Keys, open_to: int
) -> None:
    path = keys.folder / "robot_1.key_secret"
    path.chmod(0o600 | open_to)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        Connection("tcp://127.0.0.1:1", **keys.of("robot_1"))
    path.chmod(0o400)
    Connection("tcp://127.0.0.1:1", **keys.of("robot_1")).close()


@pytest.mark.parametrize("file", ["authorized.yaml", "."])
def test_rights_that_others_can_write_are_refused(keys: Keys, file: str) -> None:
    path = keys.folder / file
    path.chmod(mode(path) | 0o020)
    with pytest.raises(ConfigError, match="chmod go-w"):
        Keyring(keys.folder)


def test_a_key_is_never_overwritten(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    before = (keys.folder / "server.key_secret").read_bytes()
    assert run(keys, "new", "server") == 1
    assert "is there already" in capsys.readouterr().err
    assert (keys.folder / "server.key_secret").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../robot", ".hidden", "a b", "a/b"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        make_keys(tmp_path, name)


@pytest.mark.parametrize(
    "content", ["", "nonsense", "public-key", 'public-key = "short"', "\x00\xff" * 50]
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "odd.key_secret"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="odd.key_secret"):
        read_secret(path)
    with pytest.raises(ConfigError, match="odd.key_secret"):
        read_public(path)


def test_a_public_key_where_the_secret_one_is_needed_is_told(keys: Keys) -> None:
    path = keys.folder / "robot_1.key"
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="a public key; the secret one"):
        read_secret(path)


def test_a_public_key_in_place_of_the_secret_one_beside_it_is_told_before_any_chmod(
    keys: Keys,
) -> None:
    path = keys.folder / "robot_1.key"  # which everybody may read
    with pytest.raises(ConfigError) as refused:
        read_secret(path)
    assert str(refused.value) == (
        f"{path}: this is a public key; the secret one is in {path}_secret"
    )


@pytest.mark.parametrize("what", [["token", "arm_7"], ["revoke", "arm_7"]])
def test_rights_without_a_folder_of_keys_are_told_what_makes_it(
    what: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["keys", *what, "--keys", str(tmp_path / "nowhere")]) != 0
    assert f"there is no folder {tmp_path}/nowhere: inferential keys new server makes it" in (
        capsys.readouterr().err
    )


def test_a_key_file_that_is_not_there_is_told_with_its_folder_and_what_lies_in_it(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(keys.folder)
    with pytest.raises(ConfigError) as refused:
        read_secret("robot_7.key_secret")
    assert str(refused.value) == (
        f"{keys.folder}/robot_7.key_secret: No such file or directory; in that folder are"
        " robot_1.key_secret, robot_2.key_secret, server.key_secret, stranger.key_secret"
    )
    with pytest.raises(ConfigError, match=f"there is no folder {tmp_path}/nowhere"):
        read_public(tmp_path / "nowhere" / "server.key")


@pytest.mark.parametrize(
    ("spoken", "said"),
    [
        (variables.IN_PYTHON, "give it as server_key= or"),
        (variables.ON_THE_COMMAND_LINE, "give it as --server-key or"),
        (variables.OF_A_NODE, "give it as the parameter server_key_file or"),
    ],
)
def test_a_message_names_what_its_reader_can_change(
    keys: Keys, spoken: variables.Names, said: str
) -> None:
    with variables.speaking(spoken):
        with pytest.raises(UsageError, match=said):
            Connection("tcp://127.0.0.1:1", key=keys.of("robot_1")["key"], server_key="")
        with pytest.raises(ConfigError, match=f"folder as {spoken.folder}; or set"):
            check_exposure(InferentialConfig(transport={"bind": "tcp://*:5555"}))
        assert f"give {spoken.key} and {spoken.server_key}" in why_refused(
            zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, has_key=False
        )
    assert variables.names() is variables.IN_PYTHON


def test_the_secret_half_of_the_servers_key_is_told(keys: Keys) -> None:
    files = {**keys.of("robot_1"), "server_key": keys.folder / "server.key_secret"}
    with pytest.raises(ConfigError, match="this is a secret key, which stays"):
        Connection("tcp://127.0.0.1:1", **files)


def test_bench_uses_ids_that_its_key_grants(
    keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--{option.replace('_', '-')}={path}" for option, path in keys.of("robot_1").items()]
    load = ["--robots=2", "--seconds=0.2", "--shape=x=float32[1]"]
    with Fleet(keys) as fleet:
        assert command.main(["bench", f"--server={fleet.server.address}", *words, *load]) == 0
        assert "robot_1/1" in {client["id"] for client in fleet.server.status()["clients"]}


def test_a_public_key_may_be_given_as_text(keys: Keys) -> None:
    text = read_public(keys.folder / "server.key").decode()
    assert read_public(text) == text.encode()
    options = {**keys.of("robot_1"), "server_key": text}
    Connection("tcp://127.0.0.1:1", **options).close()


def test_one_key_without_the_other_is_told(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INFERENTIAL_KEY", "INFERENTIAL_SERVER_KEY"):
        monkeypatch.delenv(name, raising=False)
    files = keys.of("robot_1")
    with pytest.raises(UsageError, match="not the server's public key"):
        Connection("tcp://127.0.0.1:1", key=files["key"])
    with pytest.raises(UsageError, match="no key of one's own"):
        Connection("tcp://127.0.0.1:1", server_key=files["server_key"])
    monkeypatch.setenv("INFERENTIAL_KEY", str(files["key"]))
    with pytest.raises(UsageError, match="INFERENTIAL_SERVER_KEY"):
        Connection("tcp://127.0.0.1:1")
    Connection("tcp://127.0.0.1:1", key="", server_key="").close()


def test_a_robot_needs_nothing_of_the_server_s_side_for_its_keys(tmp_path: Path) -> None:
    program = """
import sys
sys.modules.update(dict.fromkeys(("pydantic", "ruamel.yaml", "starlette", "ray")))  # not installed
from inferential_core.cli import main
assert main(["keys", "new", "robot_1", "--keys", "robot"]) == 0
assert main(["keys", "new", "server", "--keys", "robot"]) == 0
from inferential_core import Connection
files = {"key": "robot/robot_1.key_secret", "server_key": "robot/server.key"}
Connection("tcp://127.0.0.1:1", **files).close()
"""
    path = os.pathsep.join([str(ROOT), *sys.path])
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        timeout=60,
    )


def test_without_a_key_the_client_imports_nothing_for_it() -> None:
    program = """
import sys
from inferential_core import Connection
Connection("tcp://127.0.0.1:1", key="", server_key="").close()
assert not {"asyncio", "zmq.auth"} & set(sys.modules)
"""
    path = os.pathsep.join([str(ROOT), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)


# --- rights ---


def test_a_right_that_is_changed_lets_no_older_key_in_again(
    keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere, path = Keys(tmp_path / "elsewhere").folder, keys.folder / "authorized.yaml"
    keys.run("authorize", "robot_1", "--public-key", str(elsewhere / "robot_1.key"))
    new = {each.name: each.key for each in read_rights(path).values()}["robot_1"]
    keys.run("authorize", "robot_1", "--rate", "60")
    (one,) = (each for each in read_rights(path).values() if each.name == "robot_1")
    assert (one.key, one.rate_hz) == (new, 60.0)
    assert "robot_1.key holds another key, which is not let in" in capsys.readouterr().out
    keys.run("revoke", "robot_1")
    keys.run("authorize", "robot_1", "--public-key", str(keys.folder / "robot_1.key"))
    assert new not in path.read_text()
    assert "robot_1 was revoked, and is let in again" in capsys.readouterr().out


def test_commands_change_one_entry_and_leave_what_people_wrote(keys: Keys) -> None:
    path = keys.folder / "authorized.yaml"
    path.write_text("# ours\n" + path.read_text().replace("robot_2:", "# the new arm\nrobot_2:"))
    keys.run("authorize", "robot_1", "--client", "arm-*", "--rate", "50")
    keys.run("authorize", "robot_1", "--model", "policy")  # what was granted stays
    keys.run("revoke", "robot_1")
    text = path.read_text()
    assert "# ours\n" in text and "# the new arm\nrobot_2:" in text
    rights = {identity.name: identity for identity in read_rights(path).values()}
    one = rights["robot_1"]
    assert (one.clients, one.models, one.rate_hz) == (("arm-*",), ("policy",), 50.0)
    assert one.revoked and not rights["robot_2"].revoked
    keys.run("authorize", "robot_1")
    assert "revoked" not in path.read_text()
    assert not path.with_name("authorized.yaml.new").exists()


@pytest.mark.parametrize("name", ["on", "no", "012", "1e3", "null", "true"])
def test_a_name_that_could_be_another_value_stays_a_name(keys: Keys, name: str) -> None:
    keys.run("new", name)
    keys.run("authorize", name, "--client", name, "--model", name)
    rights = {each.name: each for each in read_rights(keys.folder / "authorized.yaml").values()}
    assert (rights[name].clients, rights[name].models) == ((name,), (name,))


@pytest.mark.parametrize(
    "text",
    [
        '{{robot_1: {{key: "{0}"}}}}\n',
        '"robot_1": {{key: "{0}"}}\n',
        'robot_1:\n\n  # a comment\n  key: "{0}"',
        '? robot_1\n: key: "{0}"\n',
    ],
    ids=["flow", "quoted", "comments inside, no last newline", "explicit key"],
)
def test_however_the_file_is_written_a_command_changes_what_it_should(
    keys: Keys, text: str
) -> None:
    path = keys.folder / "authorized.yaml"
    path.write_text(text.format(read_public(keys.folder / "robot_1.key").decode()))
    keys.run("revoke", "robot_1")
    keys.run("authorize", "robot_2")
    found = {identity.name: identity.revoked for identity in read_rights(path).values()}
    assert found == {"robot_1": True, "robot_2": False}


def test_a_key_speaks_for_its_name_and_what_is_below_it_unless_told_otherwise(keys: Keys) -> None:
    rights = read_rights(keys.folder / "authorized.yaml")
    robot = next(each for each in rights.values() if each.name == "robot_1")
    assert all(map(robot.speaks_for, ("robot_1", "robot_1/check")))
    assert not any(map(robot.speaks_for, ("robot_10", "robot_2", "ROBOT_1", "x/robot_1", "")))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("robot_1: {key: KEY}\nrobot_1: {key: KEY, revoked: true}\n", "robot_1 is there twice"),
        ("a: {key: KEY, revoked: true, revoked: false}\n", "a: revoked is there twice"),
        ("a: {key: KEY}\nb: {key: KEY}\n", "a and b have the same key"),
        ("a: {key: KEY, model: [x]}\n", "unknown key 'model': did you mean 'models'"),
        ("a: {key: KEY, rate_hz: -1}\n", "rate_hz"),
        ("a: {key: KEY, priority: x}\n", "priority"),
        ("a: {clients: [a]}\n", "key"),
        ("a: KEY\n", "expected key, clients"),
        ("- a\n", "expected identities by name"),
        ("a: [\n", "authorized.yaml"),
        ("a: &it {key: KEY, clients: *it}\n", "authorized.yaml"),
        ("a: {key: robot_1.key}\n", "40 characters"),
        ("a: {key: ../../etc/passwd}\n", "40 characters"),
    ],
)
def test_a_mistake_in_the_rights_names_file_entry_and_problem(
    keys: Keys, text: str, told: str
) -> None:
    path = keys.folder / "authorized.yaml"
    path.write_text(text.replace("KEY", f"'{'0' * 40}'"))
    with pytest.raises(ConfigError) as raised:
        Keyring(keys.folder)
    assert "authorized.yaml" in str(raised.value) and told in str(raised.value)


def test_the_list_says_who_may_do_what(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    keys.run("authorize", "robot_2", "--model", "policy-*", "--priority", "0", "--rate", "60")
    keys.run("revoke", "robot_1")
    capsys.readouterr()
    keys.run("list")
    head, one, two = capsys.readouterr().out.splitlines()
    assert one.split()[0] == "robot_1" and one.endswith("revoked")
    assert two.split()[0] == "robot_2" and two.split()[-3:] == ["policy-*", "0", "60"]
    secret = read_secret(keys.folder / "robot_2.key_secret").secret.decode()
    assert secret not in head + one + two


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["revoke", "robot_3"], "nobody is called 'robot_3'; did you mean 'robot_"),
        (["authorize", "robot_3"], "robot_3.key: No such file"),
        (["authorize", "server"], "needs no rights"),
        (["new", "server", "--authorize"], "needs no rights"),
        (["new", "robot_4", "--rate", "5"], "with --authorize"),
        (["authorize", "robot_1", "--rate", "0"], "--rate: Input should be greater than 0, not 0"),
        (["authorize", "robot_3", "--public-key", "FOLDER/robot_1.key"], "robot_1 has this key"),
        (["authorize", "a", "--public-key", "FOLDER/stranger.key_secret"], "this is a secret key"),
        (["new", "robot_5", "--authorize", "--rate", "nan"], "--rate: "),
        (["new", "robot_5", "--authorize", "--bytes-per-s", "inf"], "--bytes-per-s: "),
        (["new", "robot_5", "--authorize", "--priority", "-1"], "--priority: "),
        (["new", "robot_5", "--authorize", "--model", ""], "--model: "),
        (["token", "arm_8", "--rate", "-1"], "--rate: "),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    keys: Keys, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (keys.folder / "authorized.yaml").read_text()
    assert run(keys, *(each.replace("FOLDER", str(keys.folder)) for each in arguments)) == 1
    said = capsys.readouterr().err.strip()
    assert told in said and said.count("\n") == 0
    assert (keys.folder / "authorized.yaml").read_text() == before
    assert not list(keys.folder.glob("robot_[45]*"))


def test_a_server_without_its_pair_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="inferential keys new server"):
        Keyring(tmp_path / "keys")
    with pytest.raises(ConfigError, match="No such file"):
        Keyring(tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused_but_by_root(keys: Keys) -> None:
    path = keys.folder / "robot_1.key_secret"
    os.chown(path, 12345, 12345)
    read_secret(path)  # root: as in a container with a folder of its user


# --- commands that serve ---


@pytest.mark.parametrize(
    ("bind", "local"),
    [
        ("tcp://127.0.0.1:5555", True),
        ("tcp://127.1.2.3:5555", True),
        ("tcp://localhost:5555", True),
        ("tcp://[::1]:5555", True),
        ("ipc:///tmp/server", True),
        ("tcp://*:5555", False),
        ("tcp://0.0.0.0:5555", False),
        ("tcp://[::]:5555", False),
        ("tcp://eth0:5555", False),
        ("tcp://127.example.org:5555", False),
        ("ws://127.0.0.1:5555", False),
        ("", False),
    ],
)
def test_an_address_is_local_only_where_that_is_certain(bind: str, local: bool) -> None:
    assert is_local(bind) is local


def test_a_taken_address_is_told_and_nothing_is_left_running(keys: Keys) -> None:
    config = InferentialConfig(security={"keys": str(keys.folder)})
    models = LocalDispatcher({"policy": lambda obs: obs})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=models) as server:
        second = Server(server.address, config=config, dispatcher=LocalDispatcher({}))
        with pytest.raises(ConfigError, match="bind 'tcp://127"):
            second.start()


def test_a_command_whose_keys_cannot_be_used_says_so_in_one_line(
    keys: Keys, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (keys.folder / "server.key_secret").chmod(0o644)
    arguments = ["serve", "--dispatcher=local", "--model=p=math:sqrt", "--bind=tcp://127.0.0.1:*"]
    assert command.main([*arguments, "--keys", str(keys.folder)]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "chmod 600" in said


@pytest.mark.parametrize("bind", ["tcp://*:5555", "tcp://0.0.0.0:0", "tcp://192.0.2.7:5555"])
def test_a_command_refuses_to_listen_beyond_loopback_without_keys(
    bind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["serve", "--dispatcher=local", "--model=p=math:sqrt", "--bind", bind]
    assert command.main(arguments) == 1
    said = capsys.readouterr().err
    assert "inferential keys new server" in said and "allow_insecure" in said


@pytest.mark.parametrize("name", ["arm[1]", "robot_?", "*"])
def test_an_identity_speaks_for_its_own_name_and_not_for_those_it_would_match(name: str) -> None:
    identity = Identity(key="k", name=name)
    assert identity.speaks_for(name) and identity.speaks_for(f"{name}/tool")
    assert not any(map(identity.speaks_for, ("arm1", "robot_1", "arm1/tool")))


def test_two_commands_at_once_do_not_undo_each_other(keys: Keys) -> None:
    authorized = keys.folder / "authorized.yaml"
    other = os.open(keys.folder, os.O_RDONLY)  # another command, halfway through
    fcntl.flock(other, fcntl.LOCK_EX)
    before = authorized.read_text()
    thread = threading.Thread(target=keys.run, args=("revoke", "robot_1"))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive() and authorized.read_text() == before
    os.close(other)
    thread.join()
    rights = read_rights(authorized).values()
    assert [each.name for each in rights if each.revoked] == ["robot_1"]


def test_a_token_is_printed_once_and_kept_as_its_digest(
    keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(keys, "token", "arm", "--model", "pi0", "--client", "arm-*") == 0
    token = capsys.readouterr().out.strip()
    rights = read_rights(keys.folder / "authorized.yaml")
    found = rights.by_token[TOKEN + digest_of(token)]
    assert (found.name, found.models, found.patterns) == ("arm", ("pi0",), ("arm-*",))
    assert token not in (keys.folder / "authorized.yaml").read_text()
    assert run(keys, "token", "arm") == 1
    assert (
        "arm has a token already" in (said := capsys.readouterr()).err and "--replace" in said.err
    )
    assert TOKEN + digest_of(token) in read_rights(keys.folder / "authorized.yaml").by_token
    assert run(keys, "token", "arm", "--replace") == 0  # and the rights stay
    rights = read_rights(keys.folder / "authorized.yaml")
    assert [each.models for each in rights.by_token.values()] == [("pi0",)]
    assert run(keys, "list") == 0
    assert "token" in capsys.readouterr().out
    assert TOKEN + digest_of(token) not in rights.by_token


def test_the_rights_of_who_has_but_a_token_are_changed_and_the_token_stays(
    keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(keys, "token", "arm", "--model", "pi0") == 0
    (before,) = read_rights(keys.folder / "authorized.yaml").by_token
    assert run(keys, "authorize", "arm", "--rate", "30") == 0
    assert (
        "arm may use the client ids arm, arm/* and ask the models pi0" in capsys.readouterr().out
    )
    ((token, arm),) = read_rights(keys.folder / "authorized.yaml").by_token.items()
    assert (token, arm.key, arm.models, arm.rate_hz) == (before, "", ("pi0",), 30.0)
    (keys.folder / "robot_1.key").unlink()  # which a server needs no more once it is authorized
    rights = read_rights(keys.folder / "authorized.yaml")
    assert run(keys, "authorize", "robot_1", "--rate", "20") == 0
    (key,) = [each.key for each in rights.values() if each.name == "robot_1"]
    assert read_rights(keys.folder / "authorized.yaml")[key].rate_hz == 20.0
    assert run(keys, "authorize", "nobody") == 1
    assert "nobody.key" in capsys.readouterr().err


def test_a_token_that_nobody_could_read_is_not_kept(keys: Keys) -> None:
    before = (keys.folder / "authorized.yaml").read_text()
    program = "import sys; from inferential_core.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", program, "keys", "token", "arm", "--keys", str(keys.folder)]
    with open("/dev/full", "w") as full:
        run = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert run.returncode == 1 and "No space left" in run.stderr
    assert (keys.folder / "authorized.yaml").read_text() == before


@pytest.mark.parametrize("rights", ["robot_1: [\n", "robot_1: text\n"])
def test_a_pair_that_cannot_be_let_in_is_not_left_behind(
    keys: Keys, rights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (keys.folder / "authorized.yaml").write_text(rights)
    assert run(keys, "new", "robot_5", "--authorize") == 1
    said = capsys.readouterr()
    assert "authorized.yaml" in said.err and not said.out
    assert not list(keys.folder.glob("robot_5*"))
    (keys.folder / "authorized.yaml").unlink()
    assert run(keys, "new", "robot_5", "--authorize") == 0


def test_a_connection_that_breaks_off_is_told_with_all_that_may_be_the_cause() -> None:
    with_key, without = (why_refused(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, it) for it in (1, 0))
    assert "server_key= names is not the key" in with_key and "has no keys" in with_key
    assert "demands a key (key=, server_key=)" in without and "no inference server" in without


def test_two_identities_with_one_token_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "authorized.yaml"
    entries = (f"{name}: {{token_sha256: '{digest_of('secret')}'}}\n" for name in ("one", "two"))
    file.write_text("".join(entries))
    with pytest.raises(ConfigError, match="one and two have the same"):
        read_rights(file)


def test_a_revoked_key_is_out_soon_though_the_file_of_the_rights_keeps_changing(
    tmp_path: Path,
) -> None:
    keys, ended = Keys(tmp_path), threading.Event()

    def touch() -> None:
        while not ended.wait(0.005):
            os.utime(tmp_path / "authorized.yaml")

    touching = threading.Thread(target=touch)
    with (
        Fleet(keys) as fleet,
        Connection(fleet.server.address, "robot_1", **keys.of("robot_1")) as robot,
    ):
        model = robot.model("policy")
        model.observe(x=np.zeros(1))
        assert model.get_reply(timeout_ms=20_000).status is Status.OK
        touching.start()
        try:
            keys.run("revoke", "robot_1")
            until = time.monotonic() + 20.0
            status = Status.OK
            while status is Status.OK:
                assert time.monotonic() < until
                model.observe(x=np.zeros(1))
                status = model.get_reply(timeout_ms=20_000).status
        finally:
            ended.set()
            touching.join()
