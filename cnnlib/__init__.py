"""A library of convolutional networks in plain numpy, written to be read."""
