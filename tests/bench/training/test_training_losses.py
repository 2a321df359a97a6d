"""The distillation loss against its definition in NumPy float64, and the images it is fed with."""

import numpy as np
import pytest
import torch

import coinfer_datasets
from coinfer.training.images import Pictures, fixed_views, generator
from coinfer.training.losses import Terms, distillation_terms, transfer_distance, weighted_sum


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("alpha", "temperature", "beta"), [(0.9, 4.0, 5.0), (0.3, 1.0, 0.0)])
def test_the_loss_is_its_definition(alpha: float, temperature: float, beta: float) -> None:
    rng = np.random.default_rng(0)
    s, t = rng.normal(size=(2, 6, 4))
    y = rng.integers(0, 4, 6)
    sizes = (3, 5)
    portions = [rng.uniform(size=(6, size)) for size in sizes]
    targets = [rng.uniform(size=(6, size)) for size in sizes]

    p, q = softmax(t / temperature), softmax(s / temperature)
    expected_teacher = alpha * temperature**2 * (p * np.log(p / q)).sum(axis=1).mean()
    expected_label = (1 - alpha) * -np.log(softmax(s)[np.arange(6), y]).mean()
    distances = [
        (
            (
                b / np.linalg.norm(b, axis=1, keepdims=True)
                - a / np.linalg.norm(a, axis=1, keepdims=True)
            )
            ** 2
        )
        .sum(axis=1)
        .mean()
        for a, b in zip(portions, targets, strict=True)
    ]
    terms = distillation_terms(
        torch.from_numpy(s),
        torch.from_numpy(y),
        torch.from_numpy(t),
        [torch.from_numpy(v) for v in portions],
        [torch.from_numpy(v) for v in targets],
        alpha=alpha,
        temperature=temperature,
        beta=beta,
    )
    assert float(terms.label) == pytest.approx(expected_label, rel=1e-9)
    assert float(terms.teacher) == pytest.approx(expected_teacher, rel=1e-9)
    assert float(terms.transfer) == pytest.approx(beta * np.mean(distances), rel=1e-9)
    assert float(terms.total()) == pytest.approx(float(sum(terms)))


def test_each_portion_is_normalised_by_itself() -> None:
    a, b = torch.rand(4, 3), torch.rand(4, 5)
    scaled = [7 * a, 0.01 * b]
    assert float(transfer_distance(scaled, [a, b])) == pytest.approx(0, abs=1e-6)


def test_a_silent_portion_has_a_finite_gradient() -> None:
    silent = torch.zeros(2, 3, requires_grad=True)
    transfer_distance([silent], [torch.rand(2, 3)]).backward()
    assert silent.grad is not None
    assert torch.isfinite(silent.grad).all()


def test_exits_are_summed_with_their_weights() -> None:
    of_exits = [Terms(*torch.tensor([1.0, 2.0, 3.0])), Terms(*torch.tensor([10.0, 20.0, 30.0]))]
    assert [float(term) for term in weighted_sum(of_exits, (1.0, 0.5))] == [6.0, 12.0, 18.0]


def test_pictures_are_shifted_mirrored_and_zero_filled() -> None:
    info = coinfer_datasets.info("digits")
    raw = torch.arange(1, 2 * 64 + 1, dtype=torch.uint8).reshape(2, 1, 8, 8)
    pictures = Pictures(raw, info, shift_pixels=2)
    which = torch.tensor([1, 0])
    batch = pictures.batch(
        which, torch.tensor([1, 0]), torch.tensor([-2, 0]), torch.tensor([False, True])
    )
    moved = np.zeros((8, 8), dtype=np.uint8)
    moved[1:, :-2] = raw[1, 0].numpy()[:-1, 2:]
    mirrored = raw[0, 0].numpy()[:, ::-1]
    expected = info.normalise(np.stack([moved, mirrored])[:, None])
    np.testing.assert_allclose(batch.numpy(), expected, rtol=1e-6)
    plain = pictures.batch(which)
    np.testing.assert_allclose(plain.numpy(), info.normalise(raw[which].numpy()), rtol=1e-6)


def test_random_draws_depend_on_seed_and_purpose_alone() -> None:
    def draw(*purpose: str | int, seed: int = 1) -> list[int]:
        return torch.randperm(20, generator=generator(seed, *purpose)).tolist()

    assert draw("order", 3) == draw("order", 3)
    assert (
        len({tuple(x) for x in (draw("order", 3), draw("order", 4), draw("order", 3, seed=2))}) == 3
    )


def test_the_plain_view_comes_first_and_digits_are_not_mirrored() -> None:
    assert fixed_views(1, 2, flip=True) == [(0, 0, False)]
    assert fixed_views(4, 2, flip=True)[1] == (0, 0, True)
    assert len(fixed_views(10, 2, flip=True)) == 10
    assert not any(mirror for _, _, mirror in fixed_views(10, 1, flip=False))
    assert fixed_views(10, 0, flip=True) == [(0, 0, False), (0, 0, True)]
