"""Layers and networks: an op with its weights is a Module, and Modules make Modules. The names are PyTorch's."""

from .init import constant, generator, kaiming, manual_seed
from .layers import (
    ELU,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    L2Pool2d,
    L2PoolFeatures,
    LeakyReLU,
    Linear,
    LocalContrastNorm,
    LocallyConnected2d,
    LocalResponseNorm,
    Maxout,
    MaxPool2d,
    MaxUnpool2d,
    Op,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    UpsampleBilinear,
    UpsampleNearest,
    WeightNorm,
)
from .module import Module, Parameter, Sequential
