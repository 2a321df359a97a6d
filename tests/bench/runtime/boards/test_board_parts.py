"""What a board is told and tells: blueprints, weights, facts."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import safetensors.torch
import torch

from coinfer.cluster import CLUSTERS
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import INPUT, After, ModuleRef, Need, Now, OnDemand, Replica, Slice, Stage
from coinfer.errors import ArtifactError, UsageError
from coinfer.models.shelf import Shelf
from coinfer.runtime.boards import notes
from coinfer.runtime.boards.blueprint import built, drawn
from coinfer.runtime.boards.facts import facts
from coinfer.runtime.realtime.device_loop import DeviceLoop
from coinfer.runtime.realtime.packets import Parcel
from coinfer.runtime.realtime.remote import Remote
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.runner import module_key

LINEAR = ModuleRef("torch.nn:Linear", {"in_features": 4, "out_features": 2, "bias": True})


def test_a_board_is_told_all_that_processes_of_one_machine_are():
    stages = (
        Stage("a", LINEAR, (Need(INPUT, Slice(1, 0, 4)),), (2,), macs=8, weights_bytes=40),
        Stage("b", ModuleRef("m:f", {"deep": {"er": [1, 2.5, None]}}, "ab" * 32, "p."), (
            Need("a", same_device=True, fill_after_ns=7), Need("permit:go")), (1,), to_source=False,
            merges_rows=True),
    )  # fmt: skip
    starts = (Now(), After(5), OnDemand())
    setup = Setup(
        run=1 << 61,
        endpoint="here",
        cluster=CLUSTERS["pi-4"],
        seed=3,
        dilated=False,
        stages=stages,
        replicas=tuple(Replica("a", f"d{n}", start) for n, start in enumerate(starts)),
        input_shape=(1, 28, 28),
        requests=10,
        most_rows=2,
        encoding="int8",
        kernels="native",
        costs=load_cost_table(),
        keep_ns=9,
        build=print,
    )
    remote = Remote(None)
    there = built(drawn(setup), "there", remote, len)
    assert there == setup._replace(endpoint="there", build=len, remote=remote)
    assert [module_key(s.module) for s in there.stages] == [module_key(s.module) for s in stages]


def test_what_is_no_blueprint_is_refused():
    for content in (b"", b"noise", msgspec.msgpack.encode({"run": 1})):
        with pytest.raises(ValueError):
            built(content, "there", Remote(None), len)


def test_weights_are_what_their_digest_says(tmp_path):
    layer = torch.nn.Linear(4, 2)
    content = safetensors.torch.save(layer.state_dict())
    sha256 = hashlib.sha256(content).hexdigest()
    shelf = Shelf(tmp_path, ("torch.nn",))
    assert not shelf.has(sha256)
    damaged = bytearray(content)
    damaged[-1] ^= 1
    with pytest.raises(ArtifactError, match=sha256):
        shelf.put(sha256, bytes(damaged))
    assert not shelf.has(sha256)
    shelf.put(sha256, content)
    made = shelf(ModuleRef(LINEAR.builder, LINEAR.arguments, sha256))
    x = torch.randn(3, 4)
    assert torch.equal(made(x), layer(x))
    with pytest.raises(ArtifactError, match="no weights that can be read"):
        shelf(ModuleRef(LINEAR.builder, LINEAR.arguments, "0" * 64))


@pytest.mark.parametrize(
    ("builder", "packages", "allowed"),
    [
        ("coinfer.models.build:student", (), True),
        ("coinfer.models:build", (), True),
        ("coinfer.modelsx:build", (), False),
        ("coinfer.training.modules:build", (), False),
        ("os:system", (), False),
        ("own.net:make", (), False),
        ("own.net:make", ("own",), True),
        ("owner:make", ("own",), False),
    ],
)
def test_only_builders_of_allowed_packages_are_called(builder, packages, allowed, tmp_path):
    shelf = Shelf(tmp_path, packages)
    if allowed:
        shelf.check([ModuleRef(builder)])
    else:
        with pytest.raises(UsageError, match="--builders"):
            shelf.check([ModuleRef(builder)])
        with pytest.raises(UsageError, match="--builders"):
            shelf(ModuleRef(builder))


def test_facts_are_what_the_kernel_tells_and_unknown_where_it_does_not(tmp_path):
    told = tmp_path / "sys"
    for path, text in {
        "devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "class/thermal/thermal_zone0/temp": "48312\n",
        "class/thermal/thermal_zone1/temp": "51000\n",
        "class/thermal/thermal_zone2/temp": "asleep",
    }.items():
        (told / path).parent.mkdir(parents=True, exist_ok=True)
        (told / path).write_text(text)
    proc = tmp_path / "proc"
    (proc / "device-tree").mkdir(parents=True)
    (proc / "device-tree/model").write_text("Raspberry Pi 4 Model B Rev 1.4\0")
    found = facts(told, proc)
    assert (found.governor, found.temperature_c) == ("ondemand", 51.0)
    assert found.model == "Raspberry Pi 4 Model B Rev 1.4"
    nothing = facts(Path("/nowhere"), Path("/nowhere"))
    assert (nothing.governor, nothing.temperature_c) == (None, None)
    join = notes.Numbered(1, notes.Join(1, "0", "0", found))
    assert notes.from_board(notes.encode(join)) == join


def test_no_time_is_negative_where_a_request_overtakes_the_word_of_the_start(monkeypatch):
    """What a board would say of a time before its zero is no message of a run, and is refused."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    setup = SimpleNamespace(run=7, meter=lambda name: None, dilated=False, remote=Remote(None))
    loop = DeviceLoop(None, setup, "a", 0)
    heard = []
    loop.reactor = SimpleNamespace(on_message=lambda envelope: heard.append(loop.now_ns))
    loop.set_zero(loop.zero_of({"zero_ns": 0, "ahead_ns": 60_000_000_000}))
    assert loop.clock_ns() < 0
    for _ in range(2):
        loop._take(Parcel(7, 5, SimpleNamespace(body=None)))
    assert 0 <= heard[0] <= heard[1] < 60_000_000_000
