"""Runs a scenario on boards and tells how it goes, a line at a time: BIND.

``request N``, ``peer NAME True``, whatever the host's side of boards logs, and at the end a line of
JSON. The last request is held back until a line comes in.
"""

import importlib.util
import json
import logging
import sys
import threading
from pathlib import Path

REQUESTS = 20


def main(bind):
    spec = importlib.util.spec_from_file_location("world", Path(__file__).with_name("conftest.py"))
    world = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(world)
    from coinfer.runtime.realtime import RealtimeDriver
    from coinfer.training.modules import build

    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    go = threading.Event()

    def listen():
        sys.stdin.readline()
        go.set()

    threading.Thread(target=listen, daemon=True).start()

    class Told(world.WaitForAll):
        def on_peer(self, device, alive, ctx):
            print(f"peer {device} {alive}", flush=True)
            return super().on_peer(device, alive, ctx)

    def tell(request):
        print(f"request {request}", flush=True)

    world.WaitForAll = Told
    held = {7, REQUESTS - 1}
    given = world.make_scenario(
        bind,
        curve=True,
        requests=REQUESTS,
        hold=lambda request: request in held and not go.is_set(),
    )
    outcome = RealtimeDriver(given, build, dilated=False, on_request=tell).run()
    told = {
        "statuses": [r.status for r in outcome.records],
        "answered": [r.answered_ns is not None for r in outcome.records],
        "faults": [[f["kind"], f["target"], f["landed"]] for f in outcome.faults],
        "warnings": outcome.warnings,
        "foreign": outcome.foreign_messages,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
