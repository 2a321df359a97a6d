"""Time of an exit decision over the first block of a student, on one core of this machine.

``OMP_NUM_THREADS=1 python tests/perf/decision/measure.py [OUTPUT.json]``. Students, heads and
thresholds are those that `quickstart` deploys for DistrEE.

*whole*: all that the source does at an exit. It keeps the portions as they come, gathers them,
applies the rule, runs the exit's head where it is asked for, takes the scores, and answers: the
code of the method, as it runs. *calls*: the part of it that computes, which is gathering the
portions into one vector, the head, the scores, and the rule's kernel. The rest of *whole* is Python
that keeps the books. Unpacking the frames is serialisation, and is left out; so is what the loop of
the source takes around each step.

A block and both of each rule and back end take turns, in an order that is drawn anew for
every image, so that all meet the same load; what is told are ratios of medians.
"""

from __future__ import annotations

import json
import platform
import random
import sys
from pathlib import Path
from time import perf_counter_ns

import numpy as np
from msgspec.structs import replace
from scipy import stats

from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import INPUT, SOURCE, Arrival, Evaluate, Job
from coinfer.execute.cell import test_images
from coinfer.execute.prepare import prepare
from coinfer.methods import parameter_types
from coinfer.runtime.meter import Meter
from coinfer.runtime.runner import Runner
from coinfer.runtime.thinking import View
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build
from coinfer_kernels import backend

BACK_ENDS = ("native", "numba", "reference")
RULES = ("feature-difference", "max-probability")
IMAGES = 300
WARM_UP = 30


class Network:
    """Deployed stages, run as the devices and the source run them."""

    def __init__(self, cell):
        self.deployment = prepare(cell).deployment
        self.stages = {stage.id: stage for stage in self.deployment.stages}
        self.devices = [r.device for r in self.deployment.replicas if r.stage.endswith(".b1")]
        self.runner = Runner(build, memo=False)

    def run(self, stage, array):
        return self.runner.run(self.stages[stage], [self.runner.value(array)]).array

    def portions(self, image):
        """What comes to the source, exit by exit."""
        found = {}
        for k, device in enumerate(self.devices):
            value, b = image, 1
            while f"s{k}.b{b}" in self.stages:
                value = self.run(f"s{k}.b{b}", value)
                portion = self.run(f"s{k}.e{b}", value)
                found.setdefault(b, []).append(Arrival(f"s{k}.e{b}", device, (0,), portion))
                b += 1
        return found

    def calls_ns(self, portions, b, rule, kernels):
        """Time of what is computed to decide at exit b and to answer there, one row."""
        values = {n: [arrival.value for arrival in portions[n]] for n in (max(b - 1, 1), b)}
        begin = perf_counter_ns()
        vector = np.concatenate(values[b], axis=1)
        if rule == "feature-difference" and b > 1:
            kernels.feature_change(np.concatenate(values[b - 1], axis=1), vector, "l2")
        if f"head{b}" in self.stages:
            kernels.exit_scores(self.run(f"head{b}", vector))
        return perf_counter_ns() - begin

    def decisions_ns(self, image, portions, kernels):
        """Time of the decision at each exit until the image leaves."""
        view = View(0, Meter(kernels, load_cost_table(), None), set(), set())
        fusion = self.deployment.fusion(Job(0, (0,), 1))
        fusion.on_arrival(Arrival(INPUT, SOURCE, (0,), image), view)
        took = {}
        for b, arrivals in portions.items():
            asked, answered = [], False
            begin = perf_counter_ns()
            for arrival in arrivals:
                asked += fusion.on_arrival(arrival, view)
            for action in asked:
                if isinstance(action, Evaluate):
                    logits = self.run(action.stage, *action.inputs)
                    arrival = Arrival(action.stage, SOURCE, action.rows, logits)
                    told = fusion.on_arrival(arrival, view)
                    answered = any(type(found).__name__ == "Answer" for found in told)
            took[b] = perf_counter_ns() - begin
            if answered:
                break
        return took


def timed(network, image):
    begin = perf_counter_ns()
    network.run("s0.b1", image)
    return perf_counter_ns() - begin


def share(spent_ns, block_ns):
    """Ratio of medians, with a bootstrap interval over the images."""

    def ratio(spent, block):
        return np.median(spent) / np.median(block)

    pair = (np.array(spent_ns), np.array(block_ns))
    around = stats.bootstrap(pair, ratio, paired=True, vectorized=False, n_resamples=500, rng=0)
    low, high = around.confidence_interval
    return {
        "median_us": round(float(np.median(spent_ns)) / 1e3, 2),
        "share_of_block": round(float(ratio(*pair)), 4),
        "share_95_percent": [round(float(low), 4), round(float(high), 4)],
    }


def main(output=None):
    axes = {"method": ["distree-strict"], "faults": ["none"], "run_seed": [0]}
    (cell,) = expand(load_suite("quickstart"), parameter_types(), axes)
    networks = {}
    for rule in RULES:
        parameters = cell.method.parameters | {"rule": rule}
        networks[rule] = Network(replace(cell, method=replace(cell.method, parameters=parameters)))
    kernels = {name: backend.load(name) for name in BACK_ENDS}
    images, _ = test_images(cell.dataset)
    order = random.Random(0)
    spent, blocks = {}, []
    for number in range(IMAGES + WARM_UP):
        image = images[number : number + 1]
        first = networks[RULES[0]]
        portions = first.portions(image)
        # Not timed: where the image leaves.
        leaves = {
            rule: max(network.decisions_ns(image, portions, kernels["native"]))
            for rule, network in networks.items()
        }
        tasks = [(r, k, what) for r in RULES for k in BACK_ENDS for what in ("whole", "calls")]
        tasks.append(None)
        order.shuffle(tasks)
        took = {}
        for task in tasks:
            if task is None:
                block_ns = timed(first, image)
                continue
            rule, name, what = task
            network, b = networks[rule], leaves[rule]
            if what == "whole":
                took[task] = network.decisions_ns(image, portions, kernels[name])[b]
            else:
                took[task] = network.calls_ns(portions, b, rule, kernels[name])
        if number >= WARM_UP:
            blocks.append(block_ns)
            for (rule, name, what), ns in took.items():
                told = spent.setdefault((rule, name, leaves[rule]), {"whole": [], "calls": []})
                told[what].append((ns, block_ns))
    found = {
        "command": "OMP_NUM_THREADS=1 python tests/perf/decision/measure.py",
        "student": prepare(cell).notes["groups"][0]["runs"],
        "block_median_us": round(float(np.median(blocks)) / 1e3, 1),
        "decisions": [
            {
                "rule": rule,
                "kernels": name,
                "exit": b,
                "images": len(told["whole"]),
                **{what: share(*zip(*pairs, strict=True)) for what, pairs in told.items()},
            }
            for (rule, name, b), told in sorted(spent.items())
            if len(told["whole"]) >= 20
        ],
        "machine": platform.processor() or platform.machine(),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if output is not None:
        Path(output).write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
