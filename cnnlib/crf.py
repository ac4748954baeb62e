"""A dense conditional random field: every pixel asks all others for their labels, near and similar ones most.

A pixel's label costs its unary energy, and two pixels of different labels cost more the closer they are in place and in
colour. The cheapest labelling cannot be found, so mean field looks for independent probabilities Q of each pixel that
come close: in every step each pixel takes the others' present probabilities as given. Each step is a layer, so a network
can end in several and be trained through them.

The letters: N images of H x W pixels, P = H W, L labels, M kernels.
Source: P. Krähenbühl and V. Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", 2011;
as layers: S. Zheng et al., "Conditional Random Fields as Recurrent Neural Networks", 2015. They filter fast and nearly
right, for large images; here each kernel is a matrix of P x P, exact and for small images only.
"""

import numpy as np

from ._numbers import number, whole
from .ops._arguments import real, same_shape

MOST_PIXELS = 64 * 64  # a kernel then takes 134 MB in float64


def mean_field(unary, image, steps=5, weights=(1.0, 3.0), compatibility=None, place=3.0, wide_place=10.0, colour=0.05):
    """The probability of every label at every pixel, after some steps of mean field.

    unary: energies (N, L, H, W), as minus the logarithm of a network's probabilities; image: (N, C, H, W), from 0 to 1.
    weights: of the two kernels; compatibility: (L, L), or None for Potts; place, wide_place and colour: as in
    `gaussian_kernels`. Returns Q (N, L, H, W), whose sums over L are 1; with no steps it is softmax(-unary).
    All pixels change at once, so large weights can make them swing to and fro and not settle.
    Raises ValueError where shapes do not fit or the image is too large.

    >>> image = np.array([[[[0.0, 0.1, 0.9, 1.0]]]])  # two dark pixels, two bright ones
    >>> unary = np.array([[[[0.0, 0.6, 1.0, 1.0]], [[1.0, 0.4, 0.0, 0.0]]]])  # the second would be bright
    >>> mean_field(unary, image, steps=0).argmax(axis=1)
    array([[[0, 1, 1, 1]]])
    >>> mean_field(unary, image, weights=(0, 2), colour=0.2).argmax(axis=1)
    array([[[0, 0, 1, 1]]])
    """
    unary, image = real(unary, "unary"), real(image, "image")
    if unary.ndim != 4 or image.ndim != 4 or np.delete(unary.shape, 1).tolist() != np.delete(image.shape, 1).tolist():
        raise ValueError(
            f"unary has shape {unary.shape} and image {image.shape}, but (N, L, H, W) and (N, C, H, W) are needed"
        )
    if not unary.shape[1]:
        raise ValueError(f"unary has shape {unary.shape}, but needs at least 1 label")
    whole(steps, "steps", 0)
    weights = real(weights, "weights").astype(unary.dtype, copy=False)
    if compatibility is not None:
        compatibility = real(compatibility, "compatibility").astype(unary.dtype, copy=False)
    out = _softmax(-unary)
    for n in range(len(out)):  # one image at a time: its kernels are large
        one = slice(n, n + 1)
        kernels = gaussian_kernels(image[one], place, wide_place, colour).astype(unary.dtype, copy=False)
        for _ in range(steps):
            out[one], _ = mean_field_step_forward(out[one], unary[one], weights, compatibility, kernels)
    return out


def gaussian_kernels(image, place=3.0, wide_place=10.0, colour=0.05, normalise=True):
    """How much each pixel asks each other one: a spatial and a bilateral Gaussian kernel.

    image: (N, C, H, W). The spatial kernel of pixels i and j is exp(-|pi - pj|² / (2 place²)), with their places p in
    pixels; the bilateral one exp(-|pi - pj|² / (2 wide_place²) - |ci - cj|² / (2 colour²)), with their colours c. No
    pixel asks itself. normalise: each entry is divided by the root of both pixels' sums, as in the authors' program, so
    that a weight means the same for narrow and wide kernels, and in a corner and in the middle.
    Returns (N, 2, P, P), the pixels in row-major order. Raises ValueError where the image has more than MOST_PIXELS, or
    a width is not positive.

    >>> gaussian_kernels(np.zeros((1, 3, 1, 3)), place=1, normalise=False)[0, 0].round(2)
    array([[0.  , 0.61, 0.14],
           [0.61, 0.  , 0.61],
           [0.14, 0.61, 0.  ]])
    """
    image = real(image, "image")
    if image.ndim != 4:
        raise ValueError(f"image has {image.ndim} axes, but images need 4: (N, C, H, W)")
    for name, width in (("place", place), ("wide_place", wide_place), ("colour", colour)):
        number(width, name, above=0)
    n, channels, h, w = image.shape
    if h * w > MOST_PIXELS:
        raise ValueError(
            f"the image has {h} x {w} pixels, so that each kernel would need {(h * w) ** 2 * image.itemsize / 1e9:.1f} GB; "
            f"make it smaller, {MOST_PIXELS} pixels at most"
        )
    apart = _squared_distances(np.mgrid[:h, :w].reshape(1, 2, h * w).astype(image.dtype))
    colours_apart = _squared_distances(image.reshape(n, channels, h * w))
    kernels = np.empty((n, 2, h * w, h * w), image.dtype)
    np.exp(-apart / (2 * place**2), out=kernels[:, 0])
    np.exp(-apart / (2 * wide_place**2) - colours_apart / (2 * colour**2), out=kernels[:, 1])
    kernels[..., range(h * w), range(h * w)] = 0
    if normalise:
        sums = kernels.sum(axis=-1)
        scale = np.where(sums > 0, sums, 1) ** -0.5
        kernels *= scale[..., None, :]
        kernels *= scale[..., :, None]
    return kernels


def potts(labels):
    """The compatibility (L, L) of L labels by which any two different ones cost the same: 0 on the diagonal, else 1.

    >>> potts(2)
    array([[0., 1.],
           [1., 0.]])
    """
    return 1 - np.eye(whole(labels, "labels", 1))


def mean_field_step_forward(q, unary, weights, compatibility, kernels):
    """One step: every pixel hears the labels of all others, and decides anew.

    q: probabilities (N, L, H, W); unary: energies of the same shape; weights: (M,), one for each kernel;
    compatibility: (L, L), what label l costs beside label k, or None for Potts; kernels: (N, M, P, P).
    Returns out = softmax over l of -unary[l] - Σ_k compatibility[l, k] Σ_m weights[m] (kernels[m] q[k]), and a cache for
    `mean_field_step_backward`. Raises ValueError where shapes do not fit.

    >>> q = np.array([0.9, 0.4, 0.1, 0.6]).reshape(1, 2, 1, 2)  # two pixels: of the first, label 0 is likelier
    >>> kernels = np.array([[0.0, 1.0], [1.0, 0.0]]).reshape(1, 1, 2, 2)
    >>> out, cache = mean_field_step_forward(q, -np.log(q), [2.0], None, kernels)
    >>> out.round(2)  # the second pixel follows the first
    array([[[[0.86, 0.77]],
    <BLANKLINE>
            [[0.14, 0.23]]]])
    """
    q, unary, weights, kernels = real(q, "q"), real(unary, "unary"), real(weights, "weights"), real(kernels, "kernels")
    given = compatibility is not None
    _check(q, unary, weights, compatibility if given else np.empty(q.shape[1:2] * 2), kernels)
    matrix = real(compatibility, "compatibility") if given else potts(q.shape[1]).astype(q.dtype)

    n, labels, h, w = q.shape
    heard = q.reshape(n, 1, labels, h * w) @ kernels.swapaxes(2, 3)  # (N, M, L, P): from each kernel
    message = np.tensordot(weights, heard, axes=(0, 1))  # (N, L, P)
    pairwise = (matrix @ message).reshape(q.shape)
    out = _softmax(-unary - pairwise)
    return out, (out, heard, message, weights, matrix, kernels, given)


def mean_field_step_backward(dout, cache):
    """dq, dunary, dweights and dcompatibility, which is None where compatibility was None; the kernels are fixed.

    dout: upstream gradient (N, L, H, W); cache: from `mean_field_step_forward`. Raises ValueError where dout has another
    shape than out.

    >>> q = np.full((1, 2, 1, 2), 0.5)
    >>> out, cache = mean_field_step_forward(q, np.zeros(q.shape), [1.0], None, np.ones((1, 1, 2, 2)))
    >>> mean_field_step_backward(np.eye(2).reshape(q.shape), cache)[1]  # an energy lowers its own label, raises the other
    array([[[[-0.25,  0.25]],
    <BLANKLINE>
            [[ 0.25, -0.25]]]])
    """
    out, heard, message, weights, matrix, kernels, given = cache
    dout = real(dout, "dout").astype(out.dtype, copy=False)
    same_shape(dout, out.shape)

    dunary = -out * (dout - (dout * out).sum(axis=1, keepdims=True))  # through the softmax; unary enters with a minus
    dpairwise = dunary.reshape(message.shape)  # and so does pairwise, beside it
    dmessage = matrix.T @ dpairwise
    dweights = np.tensordot(heard, dmessage, axes=((0, 2, 3), (0, 1, 2)))
    dheard = weights[:, None, None] * dmessage[:, None]  # (N, M, L, P)
    dq = (dheard @ kernels).sum(axis=1).reshape(out.shape)
    dcompatibility = np.tensordot(dpairwise, message, axes=((0, 2), (0, 2))) if given else None
    return dq, dunary, dweights, dcompatibility


# ---------------------------------------------------------------------------------------------------------- small parts


def _softmax(scores):
    """Over the second axis."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _squared_distances(features):
    """features: (N, D, P). Returns (N, P, P); one feature at a time, which takes less memory than all at once."""
    n, _, p = features.shape
    total = np.zeros((n, p, p), features.dtype)
    for feature in features.swapaxes(0, 1):
        total += (feature[:, :, None] - feature[:, None, :]) ** 2
    return total


def _check(q, unary, weights, compatibility, kernels):
    if q.ndim != 4 or not q.shape[1]:
        raise ValueError(f"q has shape {q.shape}, but needs 4 axes and 1 label at least: (N, L, H, W)")
    n, labels, h, w = q.shape
    wanted = {"unary": q.shape, "compatibility": (labels, labels), "kernels": (n, *weights.shape, h * w, h * w)}
    for (name, shape), array in zip(wanted.items(), (unary, compatibility, kernels), strict=True):
        if np.shape(array) != shape:
            raise ValueError(
                f"{name} has shape {np.shape(array)}, but q {q.shape} and weights {weights.shape} need {shape}"
            )
