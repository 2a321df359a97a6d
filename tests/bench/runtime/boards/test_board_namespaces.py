"""Three network namespaces joined by veth: as near to three machines as one machine comes."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(600)]

PORT = 5755
WAIT_S = 240.0


class Net:
    """A namespace for the host, and one for each board, with a cable to the host's."""

    def __init__(self) -> None:
        self._name = f"coinfer-{os.getpid()}"
        self._made: list[str] = []
        try:
            self._make("host")
            for number, board in enumerate("ab", start=1):
                self._make(board)
                here, there = self.of("host"), self.of(board)
                end = ("type", "veth", "peer", "name", "eth0", "netns", there)
                ip("link", "add", f"to-{board}", "netns", here, *end)
                self._address(here, f"to-{board}", f"10.213.{number}.1/24")
                self._address(there, "eth0", f"10.213.{number}.2/24")
        except BaseException:
            self.remove()
            raise

    def of(self, name: str) -> str:
        return f"{self._name}-{name}"

    def within(self, name: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.of(name))

    def set_cable(self, board: str, state: str) -> None:
        ip("-n", self.of("host"), "link", "set", f"to-{board}", state)

    def remove(self) -> None:
        for name in self._made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def _make(self, name: str) -> None:
        ip("netns", "add", self.of(name))
        self._made.append(self.of(name))
        ip("-n", self.of(name), "link", "set", "lo", "up")

    def _address(self, namespace: str, interface: str, address: str) -> None:
        ip("-n", namespace, "address", "add", address, "dev", interface)
        ip("-n", namespace, "link", "set", interface, "up")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@pytest.fixture
def net() -> Iterator[Net]:
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and the command ip")
    try:
        made = Net()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no network namespaces: {error.stderr.strip()}")
    yield made
    made.remove()


class Host:
    """The host's process, and what it says."""

    def __init__(self, net: Net) -> None:
        script = str(Path(__file__).with_name("host.py"))
        self._process = subprocess.Popen(
            [*net.within("host"), sys.executable, script, f"tcp://*:{PORT}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.said: list[str] = []

    def hear(self, text: str) -> str:
        """Wait for a line with this text."""
        end = time.monotonic() + WAIT_S
        while True:
            try:
                line = self._lines.get(timeout=max(end - time.monotonic(), 0.01))
            except queue.Empty:
                pytest.fail(f"never said {text!r}: {self.said}")
            self.said.append(line)
            if text in line:
                return line

    def go(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self.hear('"statuses"'))
        self._process.wait(30)
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip())


def test_cables_are_pulled_boards_come_back_and_strangers_stay_out(net, folders, start):
    def board(name, place, keys):
        number = "ab".index(place) + 1
        bind = f"tcp://10.213.{number}.1:{PORT}"
        return start(name, bind, "--keys", str(folders[keys]), within=net.within(place))

    stranger = folders["stranger"]
    for kind in ("key", "key_secret"):
        (stranger / f"stranger.{kind}").rename(stranger / f"a.{kind}")
    processes = {name: board(name, name, name) for name in "ab"}
    host = Host(net)
    try:
        host.hear("request 7")
        # The cable of a is pulled until it is missed, and put back.
        net.set_cable("a", "down")
        host.hear("peer a False")
        net.set_cable("a", "up")
        host.hear("peer a True")
        # Somebody without an allowed key says that it is a.
        board("a", "b", "stranger")
        host.hear("key not allowed")
        # The power of b goes and comes back.
        processes["b"].send_signal(signal.SIGKILL)
        processes["b"].wait()
        board("b", "b", "b")
        host.hear("b is back")
        told = host.go()
    finally:
        host.end()
    assert all(told["answered"])
    assert told["statuses"][:7] == ["ok"] * 7
    assert told["faults"] == [["crash", "b", True], ["rejoin", "b", True]]
    assert told["foreign"] > 0
    assert any(w.startswith("refused: key not allowed") for w in told["warnings"])
    assert any(w.startswith("device a was believed lost") for w in told["warnings"])
