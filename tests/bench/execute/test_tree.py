"""A process is ended with all below it: also what hides behind a parent that is gone."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

from coinfer.execute.tree import end_below, end_tree

# A root with a child, and a grandchild in a session of its own whose parent is gone.
ROOT = """
import subprocess, sys, time
from coinfer.execute.tree import adopt_orphans
adopt_orphans()
child = subprocess.Popen(["sleep", "1000"])
orphan = subprocess.run(
    ["sh", "-c", "sleep 1000 >/dev/null & echo $!"], stdout=subprocess.PIPE, start_new_session=True
)
print(child.pid, int(orphan.stdout), flush=True)
time.sleep(1000)
"""


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start() -> tuple[subprocess.Popen[str], list[int]]:
    root = subprocess.Popen([sys.executable, "-c", ROOT], stdout=subprocess.PIPE, text=True)
    assert root.stdout is not None
    return root, [int(pid) for pid in root.stdout.readline().split()]


def test_nothing_below_is_left():
    root, below = start()
    assert len(below) == 2
    assert all(map(lives, below))
    end_tree(root.pid)
    assert root.wait(timeout=30) == -9
    deadline = time.monotonic() + 30
    while any(map(lives, below)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(lives, below))


def test_what_is_gone_already_is_no_error():
    root = subprocess.Popen([sys.executable, "-c", ""])
    root.wait()
    end_tree(root.pid)


def test_what_is_below_goes_and_the_process_itself_stays():
    root, below = start()
    end_below(psutil.Process(root.pid))
    assert not any(map(lives, below))
    assert root.poll() is None
    end_tree(root.pid)
    root.wait(timeout=30)
