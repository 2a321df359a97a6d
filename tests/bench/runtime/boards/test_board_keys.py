"""Key files: private ones are nobody else's, and nothing prints them."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from coinfer.cluster import Boards, is_loopback
from coinfer.errors import ClusterError, UsageError
from coinfer.runtime.boards.crew import entrance
from coinfer.runtime.boards.keys import KeyFolder


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


def test_a_secret_key_is_for_its_owner_alone(folder):
    public = folder.new("pi4-a")
    secret = folder.path / "pi4-a.key_secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700
    keys = folder.own("pi4-a")
    assert zmq.curve_public(keys.secret) == keys.public
    assert keys.secret.decode() not in public.read_text()
    assert keys.public.decode() in public.read_text()


def test_nothing_that_prints_keys_shows_the_secret_one(folder, caplog):
    folder.new("host")
    keys = folder.own("host")
    remote, _ = entrance(Boards("tcp://10.0.0.1:5755"), folder)
    logging.getLogger("coinfer.boards").warning("%s %r", remote, keys)
    for shown in (repr(keys), str(keys), repr(remote), repr(folder.known()), caplog.text):
        assert keys.secret.decode() not in shown
        assert "secret" not in shown


def test_a_secret_key_that_others_may_read_is_not_used(folder):
    folder.new("host")
    secret = folder.path / "host.key_secret"
    secret.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        folder.own("host")


def test_keys_are_not_overwritten(folder):
    folder.new("host")
    before = folder.own("host")
    with pytest.raises(UsageError, match="remove the file"):
        folder.new("host")
    assert folder.own("host") == before


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 65, "a b", "d0#1"])
def test_names_that_could_be_something_else_are_refused(folder, name):
    with pytest.raises(UsageError, match="cannot be a name"):
        folder.new(name)
    with pytest.raises(UsageError, match="cannot be a name"):
        folder.allow(name, "x")
    assert not folder.path.exists()


def test_a_key_is_allowed_by_file_or_by_itself_and_has_one_name(folder, tmp_path):
    theirs = KeyFolder(tmp_path / "theirs")
    file = theirs.new("pi4-a")
    public = theirs.own("pi4-a").public
    folder.allow("pi4-a", str(file))
    assert folder.allowed() == {public: "pi4-a"}
    folder.allow("pi4-a", public.decode())
    assert folder.allowed() == {public: "pi4-a"}
    with pytest.raises(UsageError, match="allowed as 'pi4-a' already"):
        folder.allow("pi4-b", public.decode())
    with pytest.raises(UsageError, match="stays where it was made"):
        folder.allow("pi4-b", str(theirs.path / "pi4-a.key_secret"))


@given(st.text(max_size=60))
def test_what_is_no_key_is_not_allowed(text):
    # Not all of 40 characters decode, but a random text of them does so hardly ever.
    with pytest.raises(UsageError):
        KeyFolder(Path("/nowhere")).allow("x", text)


@pytest.mark.parametrize(
    ("bind", "loopback"),
    [
        ("tcp://127.0.0.1:1", True),
        ("tcp://127.3.2.1:65535", True),
        ("tcp://localhost:5755", True),
        ("tcp://[::1]:5755", True),
        ("tcp://0.0.0.0:5755", False),
        ("tcp://*:5755", False),
        ("tcp://[::]:5755", False),
        ("tcp://192.168.0.4:5755", False),
        ("tcp://eth0:5755", False),
        ("tcp://localhost.example.org:5755", False),
    ],
)
def test_beyond_the_loopback_interface_there_is_no_run_without_keys(bind, loopback, folder):
    assert is_loopback(bind) == loopback
    boards = Boards(bind)
    assert boards.curve == (not loopback)
    if loopback:
        assert entrance(boards, folder) == (entrance(boards, folder)[0], {})
        assert entrance(boards, folder)[0].keys is None
        return
    with pytest.raises(UsageError, match="coinfer keys new host"):
        entrance(boards, folder)
    with pytest.raises(ClusterError, match="refused"):
        Boards(bind, curve=False)


@pytest.mark.parametrize(
    "bind", ["", "tcp://", "127.0.0.1:5", "ipc://x", "tcp://a:0", "tcp://a:70000", "tcp://a:b"]
)
def test_an_address_that_is_none_is_refused(bind):
    with pytest.raises(ClusterError, match="tcp://HOST:PORT"):
        Boards(bind)


def test_the_commands_make_allow_and_list_keys(tmp_path):
    def coinfer(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "coinfer", "keys", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    host, board = str(tmp_path / "host"), str(tmp_path / "board")
    assert coinfer("new", "host", "--keys", host).returncode == 0
    assert coinfer("new", "pi4-a", "--keys", board).returncode == 0
    done = coinfer("allow", "pi4-a", f"{board}/pi4-a.key", "--keys", host)
    assert done.returncode == 0, done.stderr
    listed = coinfer("list", "--keys", host)
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [
        ["own", "host"],
        ["allowed", "pi4-a"],
    ]
    for folder, name in ((host, "host"), (board, "pi4-a")):
        secret = KeyFolder(Path(folder)).own(name).secret.decode()
        assert secret not in listed.stdout + listed.stderr + done.stdout
    again = coinfer("new", "host", "--keys", host)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert again.stderr.startswith("error: ")
