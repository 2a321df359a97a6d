"""``coinfer train``: what it hands on, and how it ends."""

from __future__ import annotations

from coinfer.cli import engine


def test_it_says_where_the_models_are(fake, suite_file, coinfer, monkeypatch):
    asked = {}

    def train(cells, on_progress, **how):
        asked.update(how, cells=len(cells))

    monkeypatch.setattr(engine, "train", train)
    done = coinfer("train", suite_file, "-m", "nonn", "-j", "3", "--anew")
    assert done.exit_code == 0
    assert asked == {"workers": 3, "anew": True, "cells": 12}
    assert "every model of" in done.stderr
    assert "coinfer zoo ls" in done.stderr


def test_a_stopped_training_ends_in_one_line(fake, suite_file, coinfer, monkeypatch):
    def train(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "train", train)
    stopped = coinfer("train", suite_file)
    assert stopped.exit_code == 130
    assert (
        stopped.stderr.strip() == "stopped: whole epochs are kept; the same command does the rest"
    )
