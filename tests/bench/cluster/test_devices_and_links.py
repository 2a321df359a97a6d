"""What a suite may state of devices, links, clusters and faults, and what it may not."""

from __future__ import annotations

import msgspec
import pytest

from coinfer.cluster import BOARDS, CLUSTERS, Cluster, Device, Fault, Link, RateStep
from coinfer.cluster.cost_table import load_cost_table
from coinfer.cluster.faults import KINDS, WINDOWS
from coinfer.errors import ClusterError

ANY = {"*": Link(up_bps=1e6)}
TWO = (Device("a", 1.0), Device("b", 1.0))


def resolved(flops_per_mac: float = 2.0, **said) -> Device:
    """The device as a cluster has it."""
    device = Device(name="d", **said)
    return Cluster(devices=(device,), links=ANY, flops_per_mac=flops_per_mac).device("d")


def test_however_the_speed_is_said_a_cluster_knows_it_in_macs():
    assert resolved(macs_per_s=5e6).macs_per_s == 5e6
    assert resolved(flops=30e6).macs_per_s == 15e6
    assert resolved(flops=30e6, flops_per_mac=3.0).macs_per_s == 10e6
    reference = load_cost_table().reference_macs_per_s
    assert reference is not None
    assert resolved(times_reference=0.5).macs_per_s == 0.5 * reference
    assert resolved(like="esp32").macs_per_s == BOARDS["esp32"].macs_per_s


def test_a_board_fills_what_is_not_said():
    said = resolved(like="raspberry-pi-4", memory_bytes=1000, busy_w=9.0, macs_per_s=7.0)
    board = BOARDS["raspberry-pi-4"]
    assert (said.memory_bytes, said.busy_w, said.macs_per_s) == (1000, 9.0, 7.0)
    assert (said.idle_w, said.j_per_byte) == (board.idle_w, board.j_per_byte)
    plain = resolved(macs_per_s=1.0)
    assert (plain.memory_bytes, plain.idle_w, plain.busy_w, plain.j_per_byte) == (
        *(64_000_000, 0.5, 2.0),
        1e-7,
    )


def test_a_speed_in_reference_kernels_needs_a_table_that_knows_them(monkeypatch, tmp_path):
    table = msgspec.structs.replace(load_cost_table(), reference_macs_per_s=None)
    (tmp_path / "old.json").write_bytes(msgspec.json.encode(table))
    monkeypatch.setenv("COINFER_COST_TABLE", str(tmp_path / "old.json"))
    load_cost_table.cache_clear()
    try:
        with pytest.raises(ClusterError, match=r"device d: times_reference needs .*calibrate"):
            resolved(times_reference=2.0)
    finally:
        monkeypatch.undo()
        load_cost_table.cache_clear()


def test_stages_cost_what_was_measured_where_speed_is_a_multiple_of_what_was_measured():
    assert resolved(macs_per_s=1.0).stage_costs == "macs"
    assert resolved(flops=1.0).stage_costs == "macs"
    assert resolved(like="esp32").stage_costs == "macs"
    assert resolved(times_reference=1.0).stage_costs == "measured"
    assert resolved(times_reference=1.0, stage_costs="macs").stage_costs == "macs"
    assert resolved(macs_per_s=1.0, stage_costs="measured").stage_costs == "measured"
    with pytest.raises(ClusterError, match=r"stage_costs = 'ratio'; .*measured"):
        Device("d", macs_per_s=1.0, stage_costs="ratio")


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_survives_being_written_and_read(name):
    cluster = CLUSTERS[name]
    assert msgspec.json.decode(msgspec.json.encode(cluster), type=Cluster) == cluster


def test_what_was_stored_of_the_first_presets_still_holds():
    def shown(name: str) -> list[tuple[float, int, float, float]]:
        cluster = CLUSTERS[name]
        links = [cluster.link(d.name) for d in cluster.devices]
        return [
            (d.macs_per_s, d.memory_bytes, link.up_bps, link.down_bps)
            for d, link in zip(cluster.devices, links, strict=True)
        ]

    eight = [(m * 1e6, 8_000_000, 1e6, 2e6) for m in (24, 30, 36, 48, 60, 80, 100, 120)]
    assert shown("mixed-8") == eight
    assert shown("mixed-4") == [eight[i] for i in (1, 3, 5, 7)]
    bps = (500, 550, 600, 700, 750, 850, 950, 1000)
    mflops = (5, 8, 10, 15, 18, 22, 26, 30)
    assert shown("rocoin-8") == [
        (m * 1e6 / 2, 8_000_000, b, b) for m, b in zip(mflops, bps, strict=True)
    ]


def test_boards_are_plausible_and_say_that_they_are_estimates():
    assert {*BOARDS} == {
        *("raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5"),
        *("jetson-nano", "jetson-orin-nano", "esp32", "esp32-s3"),
    }
    for name, board in BOARDS.items():
        assert 0 < board.idle_w < board.busy_w, name
        assert "estimate" in board.source, name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Device("d"), "device d: give exactly one of .*; it says none"),
        (
            lambda: Device("d", 1.0, flops=2.0),
            "macs_per_s, flops, times_reference and like; it says macs_per_s and flops",
        ),
        (lambda: Device("d", flops=-1.0), "flops = -1.0; use a finite number > 0"),
        (lambda: Device("d", times_reference=float("inf")), "times_reference = inf"),
        (lambda: Device("d", like="raspbery-pi-4"), "did you mean 'raspberry-pi-4'"),
        (lambda: Device("d", 1.0, busy_w=-1.0), "busy_w = -1.0; use a finite number >= 0"),
        (lambda: Link(), "up_bps is missing; give a bit rate, or a trace"),
        (lambda: Link(1.0, 0.0), "down_bps = 0.0"),
        (lambda: Link(1.0, latency_ms=-1), "latency_ms = -1"),
        (lambda: Link(1.0, header_bytes=-1), "header_bytes = -1; use at least 0"),
        (lambda: Link(1.0, loss=1.0), r"loss = 1.0; use a probability in \[0, 1\)"),
        (lambda: Link(1.0, loss=float("nan")), "loss = nan"),
        (lambda: Link(1.0, on_loss="resend"), "on_loss = 'resend'; .*allowed: drop, retransmit"),
        (lambda: Link(1.0, on_loss="retransmit"), "retransmit_ms is for on_loss = 'retransmit', a"),
        (lambda: Link(1.0, retransmit_ms=3.0), "retransmit_ms is for on_loss = 'retransmit', and"),
        (lambda: Link(1.0, retransmit_most=3), "retransmit_most is for on_loss = 'retransmit'"),
        (
            lambda: Link(1.0, on_loss="retransmit", retransmit_ms=1.0, retransmit_most=0),
            "retransmit_most = 0; use at least 1",
        ),
        (lambda: Link(trace=()), "link: trace: no steps"),
        (lambda: Cluster(TWO, ANY, medium="air"), "medium = 'air'; allowed: point-to-point"),
        (lambda: Cluster(TWO, ANY, broadcast="all"), "broadcast = 'all'; allowed: unicast, multic"),
        (lambda: Cluster(TWO, ANY, flops_per_mac=0), "flops_per_mac = 0"),
        (lambda: Cluster(TWO, ANY, source_macs_per_s=0), "source_macs_per_s = 0"),
        (lambda: Cluster(TWO, ANY, heartbeat_timeout_ms=50), "shorter than heartbeat_ms"),
        (lambda: Cluster((*TWO, TWO[0]), ANY), "two devices are named 'a'"),
        *(
            (lambda name=name: Cluster((Device(name, 1.0),), ANY), f"may be named '{name}'")
            for name in ("hub", "random", "random:2", "group:x", "a>b")
        ),
        (lambda: Cluster(TWO, {**ANY, "c": Link(1.0)}), "link for unknown device 'c'; allowed: a"),
        (lambda: Cluster(TWO, ANY, groups={"g": ()}), "group 'g' is empty"),
        (lambda: Cluster(TWO, ANY, groups={"g": ("a", "x")}), "group 'g' has the unknown device"),
        (lambda: Cluster(TWO, ANY, groups={"g": ("a", "a")}), "group 'g' has 'a' twice"),
        (lambda: Cluster(TWO, ANY, routes={"a-b": Link(1.0)}), "route 'a-b' does not .* 'a>b'"),
        (lambda: Cluster(TWO, ANY, routes={"a>a": Link(1.0)}), "route 'a>a' does not lead"),
        (lambda: Cluster(TWO, ANY, routes={"a>x": Link(1.0)}), "the unknown device 'x'"),
        (lambda: Cluster(TWO, ANY, routes={"source>a": Link(1.0)}), "unknown device 'source'"),
        (
            lambda: Cluster(TWO, ANY, routes={"a>b": Link(1.0, 2.0)}),
            "one way and its rate is up_bps; leave out down_bps, and give .* 'b>a'",
        ),
        (
            lambda: Cluster(
                TWO, ANY, routes={"a>b": Link(1, 1, trace=(RateStep(0, 1, 2), RateStep(5, 2, 1)))}
            ),
            "one way",
        ),
    ],
)
def test_impossible_devices_links_and_clusters_are_refused(make, message):
    with pytest.raises(ClusterError, match=message):
        make()


def test_a_route_may_have_a_rate_or_a_trace():
    routes = {
        "a>b": Link(2.0, trace=(RateStep(0, 1, 1), RateStep(5, 2, 2))),
        "b>a": Link(3.0),
    }
    assert Cluster(TWO, ANY, routes=routes).routes == routes


good = {kind: {"kind": kind, "target": "d0", "at_ms": 1.0} for kind in KINDS}
for kind in WINDOWS:
    good[kind]["duration_ms"] = 5.0
good["straggle"]["factor"] = 2.0
good["delay"]["delay_ms"] = 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_can_be_said(kind):
    assert Fault(**good[kind]).kind == kind


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("crash", {"kind": "crsh"}, "kind = 'crsh'; did you mean 'crash'"),
        ("crash", {"at_ms": None}, "exactly one of .*; it has none"),
        ("crash", {"on_request": 1}, "it has at_ms and on_request"),
        ("crash", {"at_ms": -1}, "at_ms = -1; use a finite number >= 0"),
        ("crash", {"at_ms": None, "on_request": -1}, "on_request = -1; use at least 0"),
        ("crash", {"at_ms": None, "rate_per_s": 0}, "rate_per_s = 0; use a finite number > 0"),
        ("crash", {"until_ms": 5}, "until_ms is for rate_per_s"),
        ("crash", {"duration_ms": 5}, "duration_ms is for pause, .*, not for crash"),
        ("pause", {"duration_ms": None}, "pause needs duration_ms"),
        ("pause", {"duration_ms": 0}, "duration_ms = 0"),
        ("pause", {"probability": 0.5}, "probability is for drop, corrupt, not for pause"),
        ("drop", {"probability": 0}, r"probability = 0; use a value in \(0, 1\]"),
        ("drop", {"factor": 2}, "factor is for straggle, not for drop"),
        ("straggle", {"factor": None}, "straggle needs factor"),
        ("straggle", {"factor": 1.0}, "factor = 1.0; use a finite number > 1"),
        ("delay", {"delay_ms": None}, "delay needs delay_ms"),
        ("corrupt", {"delay_ms": 1}, "delay_ms is for delay, not for corrupt"),
        ("partition", {"rejoin_after_ms": 1}, "rejoin_after_ms is for crash, not for partition"),
        ("rejoin", {"at_ms": None, "rate_per_s": 1}, "a rejoin names its devices"),
        ("rejoin", {"target": "random"}, "a rejoin names its devices"),
        ("crash", {"target": ()}, "target is empty"),
        ("crash", {"target": ("a", "a")}, "target has 'a' twice"),
        ("crash", {"target": "random:0"}, "target = 'random:0'; write 'random:K'"),
        ("crash", {"target": "random:"}, "write 'random:K'"),
        ("crash", {"target": "random:two"}, "write 'random:K'"),
    ],
)
def test_impossible_faults_are_refused(kind, change, message):
    with pytest.raises(ClusterError, match=message):
        Fault(**{**good[kind], **change})


def test_a_cluster_has_devices_that_are_counted_one_by_one():
    few = Device(name="small-", macs_per_s=1e6, memory_bytes=5, count=3)
    one = Device(name="big", macs_per_s=9e6)
    cluster = Cluster(
        devices=(few, one), links={"*": Link(up_bps=1e6), "small-1": Link(up_bps=2e6)}
    )
    assert cluster.names == ("small-0", "small-1", "small-2", "big")
    assert {device.macs_per_s for device in cluster.devices[:3]} == {1e6}
    assert {device.count for device in cluster.devices} == {1}
    assert cluster.link("small-1").up_bps == 2e6
    assert msgspec.convert(msgspec.to_builtins(cluster), Cluster) == cluster


def test_devices_are_at_least_one_and_counted_names_are_names():
    with pytest.raises(ClusterError, match="count"):
        Device(name="a", macs_per_s=1e6, count=0)
    with pytest.raises(ClusterError, match="two devices are named 'a1'"):
        Cluster(
            devices=(Device(name="a", macs_per_s=1e6, count=2), Device(name="a1", macs_per_s=1e6)),
            links={"*": Link(up_bps=1e6)},
        )
