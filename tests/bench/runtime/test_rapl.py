"""Energy counters, from folders that look like those of the kernel."""

from __future__ import annotations

import errno

import pytest

from coinfer.runtime import rapl
from coinfer.runtime.rapl import Rapl

RANGE_UJ = 262_143_328_850


@pytest.fixture
def powercap(tmp_path):
    def zone(folder, name, energy_uj):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "name").write_text(f"{name}\n")
        (tmp_path / folder / "energy_uj").write_text(f"{energy_uj}\n")
        (tmp_path / folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")

    zone("intel-rapl:0", "package-0", 1_000_000)
    zone("intel-rapl:1", "package-1", RANGE_UJ - 500_000)
    # Parts of a package, and the whole board: neither may be counted again.
    zone("intel-rapl:0:0", "core", 7)
    zone("intel-rapl:2", "psys", 9)
    zone("intel-rapl-mmio:0", "package-0", 3)
    return tmp_path, zone


def test_packages_are_summed_and_a_counter_that_wraps_goes_on(powercap):
    folder, zone = powercap
    counters = Rapl(folder)
    assert counters.zones == ("package-0", "package-1")
    assert counters.problem is None
    zone("intel-rapl:0", "package-0", 4_000_000)
    zone("intel-rapl:0:0", "core", 2_000_000)
    zone("intel-rapl:1", "package-1", 250_000)
    spent = counters.spent()
    assert spent.joules == pytest.approx(3.0 + 0.75, abs=1e-9)
    assert spent.scope == "package-0, package-1 of the whole machine, all processes"


def test_it_is_read_now_and_then_so_that_two_wraps_are_two(powercap, monkeypatch):
    folder, zone = powercap
    now = [100.0]
    monkeypatch.setattr(rapl.time, "monotonic", lambda: now[0])
    counters = Rapl(folder)
    for _ in range(2):
        # Half a range in each of four steps: twice around, back where it was.
        for energy_uj in (1_000_000 + RANGE_UJ // 2, 1_000_000):
            now[0] += 30.0
            zone("intel-rapl:0", "package-0", energy_uj)
            counters.note()
    assert counters.spent().joules == pytest.approx(2 * RANGE_UJ / 1e6)


def test_it_is_not_read_at_every_request(powercap):
    folder, zone = powercap
    counters = Rapl(folder)
    zone("intel-rapl:0", "package-0", 1_000_000 + RANGE_UJ // 2)
    counters.note()
    zone("intel-rapl:0", "package-0", 1_000_000)
    assert counters.spent().joules == 0.0


@pytest.mark.parametrize("content", ["", "many"])
def test_a_counter_that_makes_no_sense_is_no_measurement(powercap, content):
    folder, _ = powercap
    counters = Rapl(folder)
    (folder / "intel-rapl:1" / "energy_uj").write_text(content)
    assert counters.spent() is None
    assert counters.zones == ()
    assert "invalid literal" in counters.problem


def test_without_counters_it_says_so(tmp_path):
    counters = Rapl(tmp_path)
    assert (counters.spent(), counters.zones) == (None, ())
    assert "no counters of packages" in counters.problem


def test_counters_that_only_root_may_read_are_named(powercap, monkeypatch):
    folder, _ = powercap

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(rapl, "_number", refuse)
    counters = Rapl(folder)
    assert counters.spent() is None
    assert "Permission denied" in counters.problem
    assert str(folder) in counters.problem
