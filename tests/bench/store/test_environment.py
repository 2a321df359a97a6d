"""The machine's identity stays while its readings move."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from coinfer.store import capture


def test_capture_knows_this_machine_and_repeats():
    first, second = capture(), capture()
    assert first.identity == second.identity
    assert first.fingerprint == second.fingerprint
    assert first.identity["cores_logical"] >= 1
    assert first.identity["packages"]["numpy"]
    assert msgspec.json.decode(msgspec.json.encode(first), type=type(first)) == first


def test_capture_does_not_import_torch():
    code = "import sys; from coinfer.store import capture; capture(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
