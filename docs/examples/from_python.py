"""Runs a suite from Python and compares its methods."""

import coinfer

if __name__ == "__main__":  # not needed in a notebook
    axes = {"method": ["nonn", "rocoin"], "run_seed": range(2)}
    run = coinfer.run("smoke", axes=axes, output="mine", progress=False)
    assert not run.failed
    print(run.compare("nonn")[["metric", "faults", "verdict", "sentence"]])
