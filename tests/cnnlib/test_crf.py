"""The dense CRF against loops over pairs of pixels, numeric gradients, and what it is for."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import crf, data
from cnnlib.gradcheck import numeric_gradient


def loops(q, unary, weights, compatibility, kernels):
    """The update of the paper (algorithm 1), pixel by pixel; nothing is shared with the library."""
    n, labels, h, w = q.shape
    out = np.zeros(q.shape)
    for image, i in np.ndindex(n, h * w):
        energy = []
        for own in range(labels):
            energy.append(unary[image, own, i // w, i % w])
            for other, j, m in np.ndindex(labels, h * w, len(weights)):
                cost = (own != other) if compatibility is None else compatibility[own, other]
                energy[own] += cost * weights[m] * kernels[image, m, i, j] * q[image, other, j // w, j % w]
        powers = [math.exp(-e) for e in energy]
        out[image, :, i // w, i % w] = np.array(powers) / sum(powers)
    return out


@st.composite
def steps(draw, least_batch=0):
    """q, unary, weights, compatibility and kernels of any small size; the kernels need not be symmetric."""
    n, labels, h, w, m = (draw(st.integers(least, 3)) for least in (least_batch, 1, 1, 1, 0))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    q = rng.dirichlet(np.ones(labels), (n, h, w)).transpose(0, 3, 1, 2)
    compatibility = rng.normal(size=(labels, labels)) if draw(st.booleans()) else None
    return q, rng.normal(size=q.shape), rng.normal(size=m), compatibility, rng.uniform(size=(n, m, h * w, h * w))


@given(steps())
@settings(max_examples=60, deadline=None)
def test_a_step_is_the_definition(step):
    out, _ = crf.mean_field_step_forward(*step)
    np.testing.assert_allclose(out, loops(*step), rtol=0, atol=1e-12)


@given(steps(least_batch=1))
@settings(max_examples=30, deadline=None)
def test_backward_is_the_numeric_gradient(step):
    out, cache = crf.mean_field_step_forward(*step)
    dout = np.random.default_rng(1).normal(size=out.shape)
    found = crf.mean_field_step_backward(dout, cache)
    assert len(found) == 4
    for place, gradient in enumerate(found):
        if step[place] is None:
            assert gradient is None
            continue

        def forward(value, place=place):
            return crf.mean_field_step_forward(*step[:place], value, *step[place + 1 :])[0]

        np.testing.assert_allclose(gradient, numeric_gradient(forward, step[place], dout), rtol=0, atol=1e-8)


def test_steps_make_layers_that_are_trained_through():
    """Two steps, the unary energies and the weights shared, as in CRFs as recurrent networks."""
    rng = np.random.default_rng(0)
    unary, weights = rng.normal(size=(1, 2, 2, 3)), np.array([0.7, 1.3])
    kernels = crf.gaussian_kernels(rng.uniform(size=(1, 3, 2, 3)))

    def forward(unary, weights):
        q, first = crf.mean_field_step_forward(np.full(unary.shape, 0.5), unary, weights, None, kernels)
        out, second = crf.mean_field_step_forward(q, unary, weights, None, kernels)
        return out, first, second

    out, first, second = forward(unary, weights)
    dout = rng.normal(size=out.shape)
    dq, dunary, dweights, _ = crf.mean_field_step_backward(dout, second)
    _, dunary_before, dweights_before, _ = crf.mean_field_step_backward(dq, first)
    expected = numeric_gradient(lambda value: forward(value, weights)[0], unary, dout)
    np.testing.assert_allclose(dunary + dunary_before, expected, rtol=0, atol=1e-9)
    expected = numeric_gradient(lambda value: forward(unary, value)[0], weights, dout)
    np.testing.assert_allclose(dweights + dweights_before, expected, rtol=0, atol=1e-9)


# ------------------------------------------------------------------------------------------------------------- the kernels


@pytest.mark.parametrize("normalise", [False, True])
def test_kernels_are_gaussians_of_place_and_colour(normalise):
    image = np.random.default_rng(0).uniform(size=(2, 3, 3, 4))
    found = crf.gaussian_kernels(image, 1.5, 2.5, 0.4, normalise)
    assert found.shape == (2, 2, 12, 12)
    for n in range(2):
        narrow, wide = np.zeros((2, 12, 12))
        for i, j in np.ndindex(12, 12):
            (a, b), (c, d) = divmod(i, 4), divmod(j, 4)
            if i != j:
                apart = (a - c) ** 2 + (b - d) ** 2
                colours = sum((image[n, k, a, b] - image[n, k, c, d]) ** 2 for k in range(3))
                narrow[i, j] = math.exp(-apart / (2 * 1.5**2))
                wide[i, j] = math.exp(-apart / (2 * 2.5**2) - colours / (2 * 0.4**2))
        for kernel, expected in zip(found[n], (narrow, wide), strict=True):
            if normalise:
                expected = expected / np.sqrt(np.outer(expected.sum(axis=1), expected.sum(axis=1)))
            np.testing.assert_allclose(kernel, expected, atol=1e-12)


def test_a_single_pixel_hears_nobody():
    assert not crf.gaussian_kernels(np.ones((1, 3, 1, 1))).any()
    q = crf.mean_field(np.array([1.0, 2.0]).reshape(1, 2, 1, 1), np.ones((1, 3, 1, 1)))
    np.testing.assert_allclose(q[0, 0, 0, 0], 1 / (1 + math.exp(-1)))


# ---------------------------------------------------------------------------------------------------------- mean field


@pytest.mark.parametrize("compatibility", [None, np.array([[0, 1, 3], [1, 0, 1], [3, 1, 0]])])
def test_mean_field_repeats_the_step(compatibility):
    rng = np.random.default_rng(0)
    unary, image = rng.normal(size=(2, 3, 2, 3)), rng.uniform(size=(2, 1, 2, 3))
    expected = loops(np.zeros(unary.shape), unary, [], None, np.zeros((2, 0, 6, 6)))  # without neighbours
    kernels = crf.gaussian_kernels(image, 1, 2, 0.3)
    for count in range(4):
        found = crf.mean_field(unary, image, count, (0.5, 2), compatibility, place=1, wide_place=2, colour=0.3)
        np.testing.assert_allclose(found, expected, atol=1e-12)
        expected = loops(expected, unary, [0.5, 2], compatibility, kernels)


def test_probabilities_are_probabilities_even_of_certain_labels():
    unary = np.array([0, np.inf, 5000, -5000]).reshape(1, 2, 1, 2)
    q = crf.mean_field(unary, np.ones((1, 1, 1, 2)))
    np.testing.assert_allclose(q.sum(axis=1), 1)
    np.testing.assert_allclose(q[0, 0, 0], [1, 0], atol=0.1)


def test_it_finds_the_edges_of_what_is_in_the_image():
    """Labels that are blurred and noisy become better than twice as good; a flat image gives no such help."""
    scenes = data.scenes(3, 32, shapes=["square"], most=1, scale=(0.4, 0.6))
    truth = (scenes.masks == 1).astype(float)
    blurred = sum(np.roll(truth, (i, j), (1, 2)) for i in range(-2, 3) for j in range(-2, 3)) / 25
    p = np.clip(blurred + np.random.default_rng(0).normal(0, 0.2, blurred.shape), 0.02, 0.98)
    unary = -np.log(np.stack([1 - p, p], axis=1))

    def mistakes(q):
        return np.sum(q.argmax(axis=1) != truth)

    with_image = mistakes(crf.mean_field(unary, scenes.images))
    assert with_image < 0.5 * mistakes(np.exp(-unary))
    assert with_image < 0.5 * mistakes(crf.mean_field(unary, np.zeros_like(scenes.images)))


def test_precision_stays_and_arguments_are_not_written_to():
    rng = np.random.default_rng(0)
    unary = rng.normal(size=(1, 2, 3, 3)).astype(np.float32)
    image = rng.uniform(size=(1, 3, 3, 3)).astype(np.float32)
    for array in (unary, image):
        array.flags.writeable = False
    assert crf.mean_field(unary, image).dtype == np.float32
    assert crf.mean_field(unary, image, compatibility=crf.potts(2)).dtype == np.float32
    kernels = crf.gaussian_kernels(image)
    assert kernels.dtype == np.float32
    q, weights = np.full_like(unary, 0.5), np.ones(2, np.float32)
    out, cache = crf.mean_field_step_forward(q, unary, weights, None, kernels)
    gradients = crf.mean_field_step_backward(np.ones(out.shape), cache)
    assert {array.dtype for array in (out, *gradients[:3])} == {np.dtype(np.float32)}


# ----------------------------------------------------------------------------------------------------------- bad arguments


Q, K = np.full((1, 2, 2, 2), 0.5), np.zeros((1, 1, 4, 4))


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: crf.gaussian_kernels(np.ones((1, 3, 200, 300))),
            "200 x 300 pixels, .* kernel would need 28.8 GB; make",
        ),
        (lambda: crf.gaussian_kernels(np.ones((3, 4, 4))), "image has 3 axes, but images need 4"),
        (
            lambda: crf.gaussian_kernels(np.ones((1, 3, 4, 4)), place=0),
            "place is 0, but must be a finite number larger than 0",
        ),
        (
            lambda: crf.gaussian_kernels(np.ones((1, 3, 4, 4)), colour=-1),
            "colour is -1, but must be a finite number larger than 0",
        ),
        (lambda: crf.mean_field(Q, np.ones((1, 3, 2, 3))), r"unary has shape \(1, 2, 2, 2\) and image \(1, 3, 2, 3\)"),
        (lambda: crf.mean_field(Q, np.ones((2, 2))), r"image \(2, 2\)"),
        (lambda: crf.mean_field_step_forward(Q[0], Q, [1], None, K), "q has shape \\(2, 2, 2\\), but needs 4 axes"),
        (lambda: crf.mean_field_step_forward(Q, Q[:, :1], [1], None, K), r"unary has shape \(1, 1, 2, 2\), but q"),
        (lambda: crf.mean_field_step_forward(Q, Q, [1, 2], None, K), r"weights \(2,\) need \(1, 2, 4, 4\)"),
        (lambda: crf.mean_field_step_forward(Q, Q, [1], np.eye(3), K), r"compatibility has shape \(3, 3\), but q"),
        (
            lambda: crf.mean_field_step_backward(Q[:, :1], crf.mean_field_step_forward(Q, Q, [1], None, K)[1]),
            r"dout has shape \(1, 1, 2, 2\), but out had shape \(1, 2, 2, 2\)",
        ),
    ],
)
def test_wrong_arguments_are_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda u, x: crf.mean_field(u, x, steps=-1), "steps is -1, but must be at least 0"),
        (lambda u, x: crf.mean_field(u, x, steps=1.5), "steps must be an integer, not 1.5"),
        (lambda u, x: crf.mean_field(u, x, weights="ab"), "weights must hold real numbers, not <U2"),
        (lambda u, x: crf.mean_field(u, x, place="a"), "place must be a number, not 'a'"),
        (lambda u, x: crf.mean_field(u[:, :0], x), "needs at least 1 label"),
        (lambda u, x: crf.potts(1.5), "labels must be an integer, not 1.5"),
    ],
)
def test_numbers_of_a_wrong_kind(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call(np.ones((1, 2, 2, 2)), np.ones((1, 1, 2, 2)))
