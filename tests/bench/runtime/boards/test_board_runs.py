"""Runs on boards: the command of a board in processes of its own, over the loopback interface.

The same code as between machines, in the clear and with keys.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import textwrap
from importlib import metadata

import pytest
import torch

from coinfer.cluster import FaultEvent
from coinfer.contract import ModuleRef
from coinfer.errors import ExecutionError
from coinfer.models import build as build_module
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.runtime.runner import Runner
from coinfer.runtime.virtual import VirtualDriver
from coinfer.training import Zoo
from coinfer.training.modules import build

pytestmark = [pytest.mark.alone, pytest.mark.slow]

MS = 1_000_000


def run(given, **more):
    driver = RealtimeDriver(given, build, dilated=False, **more)
    outcome = driver.run()
    for r in outcome.records:
        if r.answered_ns is not None:
            parts = r.compute_ns + r.serialise_ns + r.link_ns + r.queue_ns + r.decide_ns
            assert parts == r.answered_ns - r.intended_ns
    return outcome, driver.boards


EXTRA = ("numpy", "torch", "pyzmq", "msgspec", "safetensors")


def closure() -> list[str]:
    """Top-level modules of the packages in the extra of a board, and of what they ask for."""
    from packaging.requirements import Requirement

    todo, seen = list(EXTRA), set()
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in seen:
            continue
        try:
            asked = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        seen.add(name)
        needs = [Requirement(text) for text in asked]
        todo += [r.name for r in needs if r.marker is None or r.marker.evaluate({"extra": ""})]
    return sorted(
        module
        for module, owners in metadata.packages_distributions().items()
        if {owner.lower().replace("_", "-") for owner in owners} & seen
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which nothing beyond the extra of a board can be imported."""
    known = [*closure(), "coinfer", "coinfer_kernels", "sitecustomize", "__main__"]
    assert {"numpy", "torch", "zmq", "msgspec", "safetensors"} <= {*known}
    assert not {"typer", "rich", "scipy", "psutil", "pyarrow", "numba"} & {*known}
    folder = tmp_path_factory.mktemp("site")
    code = f"""
        import sys
        KNOWN = {known!r}
        class Absent:
            def find_spec(self, name, path=None, target=None):
                top = name.partition(".")[0]
                # The extension too: a board without a compiler has none.
                if name == "coinfer_kernels._native" or not (
                    top in KNOWN or top in sys.stdlib_module_names or top.startswith("_")
                ):
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        sys.meta_path.insert(0, Absent())
    """
    (folder / "sitecustomize.py").write_text(textwrap.dedent(code))
    return {"PYTHONPATH": str(folder)}


class Boards:
    """Two boards that serve all tests, and what is needed to run on them."""

    def __init__(self, bind, folders, start, env):
        self.bind, self.folders, self.env = bind, folders, env
        self._start = start
        self.processes = {name: self.start(name) for name in ("a", "b")}

    def start(self, name, folder=None):
        keys = str(folder or self.folders[name])
        return self._start(name, self.bind, "--curve", "--keys", keys, env=self.env)


@pytest.fixture(scope="module")
def boards(bare, tmp_path_factory, free_address, key_folders, started_in):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("boards")
        folders = key_folders(folder)
        patch.setenv("COINFER_KEYS", str(folders["host"]))
        with started_in(folder) as start:
            yield Boards(free_address(), folders, start, bare)


def refused(outcome):
    """What was refused, but for connections of boards that ended in the middle of a handshake."""
    told = [w for w in outcome.warnings if w.startswith("refused: ")]
    assert bool(told) == (outcome.foreign_messages > 0)
    return [w for w in told if not w.startswith("refused: handshake that broke off")]


def test_boards_answer_as_virtual_time_with_no_more_than_their_extra(boards, scenario_on, tmp_path):
    zoo = Zoo(tmp_path / "zoo")
    weights = zoo.put({"what": "test"}, torch.nn.Linear(16, 16).state_dict(), {}).weights_sha256
    module = ModuleRef("torch.nn:Linear", {"in_features": 16, "out_features": 16}, weights)
    given = scenario_on(boards.bind, curve=True, module=module)
    runner = Runner(lambda ref: build_module(ref, zoo.weights(weights)), memo=False)
    replay = VirtualDriver(given, runner).run()
    outcome, told = run(given, weights=zoo.content)
    assert [r.prediction for r in outcome.records] == [r.prediction for r in replay.records]
    assert [r.status for r in outcome.records] == ["ok"] * 20
    assert [r.bytes_up for r in outcome.records] == [r.bytes_up for r in replay.records]
    assert (outcome.foreign_messages, outcome.lost_messages, outcome.stale_messages) == (0, 0, 0)
    assert sorted(outcome.warnings) == [
        f"device {n} has no kernels 'native': it used 'reference'" for n in ("a", "b")
    ]
    assert sorted(told) == ["a", "b"]
    assert told["a"]["kernels"] == ("reference",)
    # Dismissed, a board dials in again, and the weights are there already.
    again, _ = run(given, weights=lambda sha: pytest.fail("asked for again"))
    assert [r.prediction for r in again.records] == [r.prediction for r in replay.records]
    assert refused(again) == []


def test_faults_are_carried_out_on_boards(boards, scenario_on):
    faults = (
        FaultEvent("crash", "a", None, on_request=4),
        FaultEvent("rejoin", "a", None, on_request=8),
        FaultEvent("pause", "b", None, on_request=12, duration_ns=200 * MS),
    )
    outcome, _ = run(scenario_on(boards.bind, curve=True, faults=faults))
    assert [f["landed"] for f in outcome.faults] == [True] * 3, outcome.faults
    statuses = [r.status for r in outcome.records]
    assert {*statuses} == {"ok", "degraded"}
    assert statuses[-1] == "ok"
    assert refused(outcome) == []


def test_a_builder_that_is_not_allowed_is_not_called(boards, scenario_on):
    """A cell that asks for one fails, and says what to do; the board goes on."""
    given = scenario_on(boards.bind, curve=True, module=ModuleRef("os:system", {"command": "true"}))
    with pytest.raises(ExecutionError, match=r"builder 'os:system' is not allowed.*--builders os"):
        run(given)


class Heard(logging.Handler):
    """What the host's side of boards has logged."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())

    def has(self, text):
        return any(text in line for line in self.lines)


@pytest.fixture
def heard():
    handler = Heard()
    log = logging.getLogger("coinfer.boards")
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    log.setLevel(before)


def test_a_stranger_in_the_middle_of_a_run_does_not_disturb_it(boards, scenario_on, heard):
    stranger = boards.folders["stranger"]
    for kind in ("key", "key_secret"):
        (stranger / f"stranger.{kind}").rename(stranger / f"a.{kind}")

    def on_request(request):
        if request == 2:
            boards.start("a", stranger)

    given = scenario_on(
        boards.bind,
        curve=True,
        hold=lambda request: request == 19 and not heard.has("key not allowed"),
    )
    outcome, _ = run(given, on_request=on_request)
    assert [r.status for r in outcome.records] == ["ok"] * 20
    assert outcome.foreign_messages > 0
    assert any(w.startswith("refused: key not allowed") for w in outcome.warnings)


def test_a_board_that_is_started_again_takes_part_again(boards, scenario_on, heard):
    """As when its power goes and comes back."""

    def on_request(request):
        if request == 5:
            boards.processes["a"].send_signal(signal.SIGKILL)
            boards.processes["a"].wait()
            boards.start("a")

    # The last request waits until the board has joined again, and has what it needs.
    given = scenario_on(
        boards.bind,
        curve=True,
        hold=lambda request: request == 19 and not heard.has("a is back"),
    )
    outcome, _ = run(given, on_request=on_request)
    kinds = [(f["kind"], f["target"], f["planned"], f["landed"]) for f in outcome.faults]
    assert kinds == [("crash", "a", None, True), ("rejoin", "a", None, True)]
    statuses = [r.status for r in outcome.records]
    assert statuses[:4] == ["ok"] * 4
    assert "degraded" in statuses
    assert None not in [r.answered_ns for r in outcome.records]
    assert any("died by itself" in warning for warning in outcome.warnings)


def test_the_command_of_a_board_says_in_one_line_what_is_wrong(tmp_path):
    def device(*arguments):
        command = [sys.executable, "-m", "coinfer", "device", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    keys = ("--keys", str(tmp_path))
    for arguments, told in [
        (("--connect", "tcp://10.1.2.3:5755", "--name", "a", *keys), "coinfer keys new a"),
        (("--connect", "10.1.2.3", "--name", "a", *keys), "tcp://HOST:PORT"),
        (("--connect", "tcp://127.0.0.1:5755", "--name", "a b", *keys), "no board may be named"),
    ]:
        done = device(*arguments)
        assert done.returncode == 2
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
