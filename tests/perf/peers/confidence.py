"""Exit scores (all five), the decision by max-probability, and the change of features."""

from __future__ import annotations

import numpy as np
from bursts import Call
from peers.registry import Made, peer

THRESHOLD = 0.9


@peer("numpy", "exit_scores")
def numpy_scores(kernel, z):
    work, made = np.empty_like(z), []

    def scores():
        most = z.max(axis=1, keepdims=True)
        np.subtract(z, most, out=work)
        raised = np.exp(work)
        total = raised.sum(axis=1)
        log_total = np.log(total)
        entropy = log_total - np.einsum("ij,ij->i", raised, work) / total
        raised.partition(z.shape[1] - 2, axis=1)
        margin = (raised[:, -1] - raised[:, -2]) / total
        made[:] = [1 / total, entropy, margin, -(most[:, 0] + log_total), z.argmax(axis=1)]

    return Made(Call(scores), lambda: np.array(made))


@peer("torch", "exit_scores", needs="torch")
def torch_scores(kernel, z):
    import torch

    tensor, made = torch.from_numpy(z), []
    torch.set_grad_enabled(False)

    def scores():
        logs = torch.log_softmax(tensor, 1)
        p = logs.exp()
        values, labels = torch.topk(p, 2, dim=1)
        entropy = (p * logs).sum(1).neg_()
        best = values[:, 0]
        energy = -torch.logsumexp(tensor, 1)
        made[:] = [best, entropy, best - values[:, 1], energy, labels[:, 0]]

    return Made(Call(scores), lambda: np.array([one.numpy() for one in made]))


@peer("scipy", "exit_scores", needs="scipy")
def scipy_scores(kernel, z):
    from scipy.special import entr, logsumexp, softmax

    made = []

    def scores():
        p = softmax(z, axis=1)
        entropy = entr(p).sum(axis=1)
        energy = -logsumexp(z, axis=1)
        p.partition(z.shape[1] - 2, axis=1)
        best = p[:, -1]
        made[:] = [best, entropy, best - p[:, -2], energy, z.argmax(axis=1)]

    return Made(Call(scores), lambda: np.array(made))


@peer("numba", "exit_scores", needs="numba")
def numba_scores(kernel, z):
    from peers import loops_scores

    out = np.empty((4, len(z)), np.float32)
    labels = np.empty(len(z), np.int64)
    call = loops_scores.call(z, out, labels)
    return Made(call, lambda: np.vstack([out, labels]))


@peer("numba plain", "exit_scores", needs="numba")
def numba_plain_scores(kernel, z):
    from peers import loops_scores

    out, labels = np.empty((4, len(z)), np.float32), np.empty(len(z), np.int64)
    call = Call(loops_scores.by_rows_plain, (z, out, labels))
    return Made(call, lambda: np.vstack([out, labels]))


@peer("numpy", "should_exit")
def numpy_exit(kernel, z):
    work, out = np.empty_like(z), np.empty(len(z), bool)

    def decide():
        np.subtract(z, z.max(axis=1, keepdims=True), out=work)
        np.exp(work, out=work)
        np.less_equal(work.sum(axis=1), 1 / THRESHOLD, out=out)

    return Made(Call(decide), lambda: out)


@peer("torch", "should_exit", needs="torch")
def torch_exit(kernel, z):
    import torch

    tensor, out = torch.from_numpy(z), np.empty(len(z), bool)
    target = torch.from_numpy(out)
    torch.set_grad_enabled(False)

    def decide():
        torch.ge(torch.softmax(tensor, 1).amax(1), THRESHOLD, out=target)

    return Made(Call(decide), lambda: out)


@peer("scipy", "should_exit", needs="scipy")
def scipy_exit(kernel, z):
    from scipy.special import softmax

    out = np.empty(len(z), bool)

    def decide():
        np.greater_equal(softmax(z, axis=1).max(axis=1), THRESHOLD, out=out)

    return Made(Call(decide), lambda: out)


@peer("numba", "should_exit", needs="numba")
def numba_exit(kernel, z):
    from peers import loops_scores

    out = np.empty(len(z), bool)
    arguments = (z, z.view(np.int32), np.float32(1 / THRESHOLD), out)
    return Made(Call(loops_scores.decide, arguments), lambda: out)


@peer("numpy", "feature_change l2")
def numpy_change(kernel, p, c):
    out = np.empty(len(p), np.float32)

    def change():
        squares = np.vecdot(p, p) * np.vecdot(c, c)
        cosine = np.vecdot(p, c) / np.sqrt(squares)
        np.sqrt(np.maximum(2 - 2 * cosine, 0), out=out)

    return Made(Call(change), lambda: out)


@peer("torch", "feature_change l2", needs="torch")
def torch_change(kernel, p, c):
    import torch

    before, after, out = torch.from_numpy(p), torch.from_numpy(c), np.empty(len(p), np.float32)
    target = torch.from_numpy(out)
    torch.set_grad_enabled(False)

    def change():
        cosine = torch.cosine_similarity(before, after, 1)
        torch.sqrt((2 - 2 * cosine).clamp_(min=0), out=target)

    return Made(Call(change), lambda: out)


@peer("numba", "feature_change l2", needs="numba")
def numba_change(kernel, p, c):
    from peers import loops

    out = np.empty(len(p), np.float32)
    return Made(Call(loops.change, (p, c, out)), lambda: out)
