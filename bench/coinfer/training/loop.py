"""The one training loop: batches in, a fitted module and its figures out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from coinfer.training.images import Pictures, generator
from coinfer.training.recipe import Schedule
from coinfer.training.unfinished import Unfinished

_REPORT_EVERY_STEPS = 20
_INFERENCE_BATCH = 500


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes
    ----------
    what : str
        What is being made, such as ``teacher wrn-16-2-s2, seed 0``.
    step, steps : int
        Done and in total, over all epochs.
    epoch, epochs : int
    terms : Mapping[str, float]
        Mean sizes of the loss terms over the epoch so far.
    left_s : float
        What is left takes about so long, at the speed until now.
    """

    what: str
    step: int
    steps: int
    epoch: int
    epochs: int
    terms: Mapping[str, float]
    left_s: float

    @property
    def epoch_done(self) -> bool:
        """Whether this is the last step of its epoch."""
        return self.step * self.epochs == self.epoch * self.steps

    @property
    def done(self) -> bool:
        """Whether this was the last step of all."""
        return self.step == self.steps


OnProgress = Callable[[Progress], None]


def left_s(begun_s: float, done: int, to_do: int) -> float:
    """Estimate the seconds that are left from what took until now since ``perf_counter``."""
    return (time.perf_counter() - begun_s) / done * to_do


def initialise(module: nn.Module, seed: int) -> None:
    """Draw a network's initial weights from the seed, as is usual for residual networks."""
    draws = generator(seed, "initial weights")
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(
                part.weight, mode="fan_out", nonlinearity="relu", generator=draws
            )
        elif isinstance(part, nn.Linear):
            bound = part.in_features**-0.5
            nn.init.uniform_(part.weight, -bound, bound, generator=draws)
            nn.init.zeros_(part.bias)


def bf16_pays() -> bool:
    """Whether this CPU multiplies in bfloat16; on others it is about ten times slower."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)


def precision_for(module: nn.Module) -> torch.dtype:
    """Choose what to train in: bfloat16 where it pays, except for depthwise convolutions."""
    depthwise = any(isinstance(m, nn.Conv2d) and m.groups > 1 for m in module.modules())
    return torch.bfloat16 if bf16_pays() and not depthwise else torch.float32


def fit(
    module: nn.Module,
    count: int,
    loss: Callable[[Tensor, int, torch.Generator], Mapping[str, Tensor]],
    schedule: Schedule,
    seed: int,
    what: str,
    progress: OnProgress | None = None,
    unfinished: Path | None = None,
    after_epoch: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Train a module; the weights after the last epoch are the result.

    Parameters
    ----------
    module : nn.Module
    count : int
        Number of training images.
    loss : callable
        From the indices of a batch, the epoch and a random stream to the named terms of the loss.
    schedule : Schedule
    seed : int
    what : str
        For `progress`.
    progress : callable, optional
    unfinished : Path, optional
        The state after each epoch is kept in this file. A training that finds it goes on from
        there, and on one thread ends at the same bits as one that was never interrupted.
    after_epoch : callable, optional
        Not for a training that may be resumed: it sees only the epochs of this process.

    Returns
    -------
    dict
        ``epochs`` (mean of each loss term, epoch by epoch), ``terms`` (those of the last),
        ``seconds``, ``precision``, and ``resumed_after`` where it was interrupted: the numbers of
        epochs that were done by then.
    """
    module.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    precision = precision_for(module)
    per_epoch = max(1, count // schedule.batch)
    steps = per_epoch * schedule.epochs
    optimiser = torch.optim.SGD(
        module.parameters(),
        lr=schedule.max_lr,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        nesterov=True,
        fused=True,
    )
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        schedule.max_lr,
        total_steps=steps,
        pct_start=schedule.warm_up,
        div_factor=10,
        final_div_factor=100,
    )
    begun = time.perf_counter()
    figures: dict[str, Any] = {"epochs": [], "seconds": 0.0}
    state = None if unfinished is None else Unfinished(unfinished)
    if state is not None and (found := state.load(module, optimiser, rate)) is not None:
        figures = found
        figures.setdefault("resumed_after", []).append(len(found["epochs"]))
    spent_s = figures["seconds"]
    resumed = len(figures["epochs"])
    step = resumed * per_epoch
    for epoch in range(resumed, schedule.epochs):
        order = torch.randperm(count, generator=generator(seed, "order", epoch))
        draws = generator(seed, "batches", epoch)
        sums: dict[str, float] = {}
        for which in torch.split(order[: per_epoch * schedule.batch], schedule.batch):
            with torch.autocast("cpu", precision, enabled=precision != torch.float32):
                terms = loss(which, epoch, draws)
            optimiser.zero_grad()
            torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            rate.step()
            step += 1
            sums = {n: sums.get(n, 0.0) + float(term.detach()) for n, term in terms.items()}
            whole = step % per_epoch == 0
            if progress and (whole or step % _REPORT_EVERY_STEPS == 0):
                done = step - epoch * per_epoch
                means = {name: total / done for name, total in sums.items()}
                left = left_s(begun, step - resumed * per_epoch, steps - step)
                progress(Progress(what, step, steps, epoch + 1, schedule.epochs, means, left))
        figures["epochs"].append({name: total / per_epoch for name, total in sums.items()})
        figures["seconds"] = round(spent_s + time.perf_counter() - begun, 2)
        if state is not None:
            state.save(module, optimiser, rate, figures)
        if after_epoch is not None:
            after_epoch()
    precise = str(precision).removeprefix("torch.")
    return {**figures, "terms": figures["epochs"][-1], "precision": precise}


def outputs(
    module: Callable[[Tensor], Any],
    pictures: Pictures,
    view: tuple[int, int, bool] = (0, 0, False),
) -> list[Any]:
    """Run `module` over one view (down, right, mirror) of all pictures, one result a batch."""
    found = []
    with torch.inference_mode():
        for which in torch.split(torch.arange(len(pictures)), _INFERENCE_BATCH):
            down, right, mirror = (torch.tensor(part).expand(len(which)) for part in view)
            found.append(module(pictures.batch(which, down, right, mirror)))
    return found


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of rows whose largest logit is the label's."""
    return float((logits.argmax(dim=1) == labels).double().mean())
