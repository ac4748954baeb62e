"""Models that PyTorch wrote as ONNX files, with their weights, inputs and outputs, node by node through the ops of cnnlib.

The package onnx has them: "pytorch-converted" are layers, "pytorch-operator" are expressions, "simple" are others.
"""

import pathlib

import numpy as np
import onnx_adapter
import pytest

onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install '.[oracle]'")
from onnx.backend.test import data as data_of_tests  # noqa: E402

FOLDER = pathlib.Path(next(iter(data_of_tests.__path__)))
MODELS = sorted(p.parent for kind in ("pytorch-*", "simple") for p in FOLDER.glob(f"{kind}/*/model.onnx"))

# Operators that are not ours: a model with one of them is not run.
NOT_OURS = {
    "Abs", "Clip", "Exp", "Max", "Min", "Sign", "Tile", "Gradient", "PRelu", "Selu", "Shrink", "Softplus",
    "InstanceNormalization", "StringNormalizer", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase",
    "SequenceInsert", "SequenceLength", "SplitToSequence", "ConcatFromSequence",
}  # fmt: skip

LEFT_OUT = {
    "three directions, and our images have two": [
        "test_AvgPool3d", "test_AvgPool3d_stride", "test_AvgPool3d_stride1_pad0_gpu_input", "test_Conv3d",
        "test_Conv3d_dilated", "test_Conv3d_dilated_strided", "test_Conv3d_groups", "test_Conv3d_no_bias",
        "test_Conv3d_stride", "test_Conv3d_stride_padding", "test_MaxPool3d", "test_MaxPool3d_stride",
        "test_MaxPool3d_stride_padding",
    ],
    "we pad with one value only": ["test_ReflectionPad2d", "test_ReplicationPad2d", "test_operator_pad"],
    "power has one exponent for the whole array": ["test_operator_pow"],
    "integers, and ours become floats": ["test_operator_non_float_params"],
}  # fmt: skip

# What later versions of the operators take as inputs, in their order.
WERE_ATTRIBUTES = {
    "Unsqueeze": ["axes"],
    "Squeeze": ["axes"],
    "Pad": ["pads", "value"],
    "Slice": ["starts", "ends", "axes"],
}


def read(path):
    return onnx.numpy_helper.to_array(onnx.load_tensor(path))


def run(graph, inputs):
    """The outputs of a graph: every node in turn, by what its inputs are named."""
    values = {weights.name: onnx.numpy_helper.to_array(weights) for weights in graph.initializer}
    values.update(zip((v.name for v in graph.input if v.name not in values), inputs, strict=True))
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute} | {
            "outputs": len(node.output)
        }
        if node.op_type == "Constant":
            outputs = [onnx.numpy_helper.to_array(attributes["value"])]
        else:
            arguments = [values[name] if name else None for name in node.input]
            moved = [attributes.get(name) for name in WERE_ATTRIBUTES.get(node.op_type, ()) if len(arguments) == 1]
            arguments += [
                None if value is None else np.asarray(value, np.float32 if isinstance(value, float) else None)
                for value in moved
            ]
            outputs = onnx_adapter.RUN[node.op_type](attributes, *arguments)
        values.update(zip(node.output, outputs, strict=False))
    return [values[v.name] for v in graph.output]


def missing(model):
    return {node.op_type for node in model.graph.node} - set(onnx_adapter.RUN) - {"Constant"}


@pytest.mark.filterwarnings(
    "ignore:invalid value encountered in power"
)  # the root of a number below 0 is NaN there too
def test_models_give_what_pytorch_gave():
    problems, left_out, strange = [], {name for names in LEFT_OUT.values() for name in names}, set()
    ran = 0
    for folder in MODELS:
        model = onnx.load(folder / "model.onnx")
        strange |= missing(model)
        if missing(model) or folder.name in left_out:
            continue
        for example in folder.glob("test_data_set_*"):
            inputs, outputs = ([read(p) for p in sorted(example.glob(f"{kind}_*.pb"))] for kind in ("input", "output"))
            try:
                for ours, expected in zip(run(model.graph, inputs), outputs, strict=True):
                    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-7, strict=True)
                ran += 1
            except Exception as error:
                problems.append(f"{folder.name}: {type(error).__name__}: {error}")
    assert not problems, "\n\n".join(problems)
    assert ran >= 80
    assert strange == NOT_OURS
    assert left_out <= {folder.name for folder in MODELS}
