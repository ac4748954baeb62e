"""A dense CRF as layers: some steps of mean field behind a network, all trained together.

The network gives every pixel its energies; each step is a layer in which pixels that are near and alike pull their
labels together. Each is made of layers that we know: a linear layer whose weights are the kernels, a weighted sum, a
1 x 1 convolution, a sum, a softmax. What it weighs (both kernels, and what one label costs beside another) is learned.
Source: INRIA, "Semantic segmentation: further improvements" (s2:1774-1796); S. Zheng et al., "Conditional Random Fields
as Recurrent Neural Networks", ICCV 2015; P. Krähenbühl, V. Koltun, NIPS 2011. The step as one pair of passes is in
`cnnlib.crf`.
"""

import numpy as np

from .. import crf, nn
from ..autograd import current_blueprint
from ..autograd import functional as F
from . import unet

# The paper trains with 5 steps, or else gradients fade, and uses the network with 10.
TRAINED_STEPS, USED_STEPS = 5, 10


class CRF(nn.Module):
    """Scores (N, L, H, W) and the images (N, C, H, W), from 0 to 1, to better scores of the same shape.

    steps: of mean field while the network trains; used_steps: when it is used. weights: of the spatial and the
    bilateral kernel, at the start; place, wide_place and colour: the kernels' widths, as in `crf.gaussian_kernels`,
    which are not trained. The compatibility of the labels starts as Potts: 1 for different ones. The output is the
    logarithm of the probabilities, so that what follows is cross-entropy as behind any network. Images are small:
    `crf.MOST_PIXELS`.
    """

    def __init__(self, labels, steps=TRAINED_STEPS, used_steps=USED_STEPS, weights=(1.0, 3.0), **widths):
        self.weights = nn.Parameter(nn.constant(2) + np.asarray(weights, np.float32))
        self.compatibility = nn.Parameter(nn.constant((labels, labels)) + crf.potts(labels).astype(np.float32))
        self.steps, self.used_steps, self.widths = steps, used_steps, widths

    def forward(self, scores, image):
        kernels = self.kernels(image)
        unary = F.log_softmax(scores) * -1
        energies = unary
        for _ in range(self.steps if self.training else self.used_steps):
            energies = self.step(F.softmax(energies * -1), unary, kernels)
        return F.log_softmax(energies * -1)

    def step(self, q, unary, kernels):
        """One step of mean field from layers that we know: the energies, whose softmax is `crf.mean_field_step`.

        q: probabilities (N, L, H, W); unary: energies of the same shape; kernels: (N, 2, P, P) for P = H W pixels.
        """
        n, labels, h, w = q.shape
        messages = []
        for i in range(n):
            flat = q[i].reshape(labels, h * w)
            near, alike = (F.linear(flat, kernel) for kernel in kernels[i])  # every pixel hears all others
            heard = near * self.weights[0] + alike * self.weights[1]
            messages.append(heard.reshape(1, labels, h, w))
        message = F.concatenate(*messages, axis=0)
        pairwise = F.conv2d(message, self.compatibility.reshape(labels, labels, 1, 1))  # a 1 x 1 convolution
        return unary + pairwise

    def kernels(self, image):
        """How much each pixel asks each other one, (N, 2, P, P). It depends on the image, and is not trained."""
        n, _, h, w = image.shape
        if current_blueprint() is not None:
            return np.broadcast_to(np.float32(0), (n, 2, h * w, h * w))
        return crf.gaussian_kernels(image.data, **self.widths)


class WithCRF(nn.Module):
    """A network for a class per pixel, and a CRF behind it that sees the image too."""

    def __init__(self, network, labels, **options):
        self.network, self.crf = network, CRF(labels, **options)

    def forward(self, x):
        return self.crf(self.network(x), x)


def small(in_channels=1, num_classes=2, **options):
    """A small U-Net with a CRF behind it, for images of 16 x 16 pixels."""
    return WithCRF(unet.small(in_channels, num_classes, widths=(6, 12)), num_classes, **options)
