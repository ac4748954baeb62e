"""The node tests of the ONNX project, which every runtime of its models must pass, through the ops of cnnlib.

A test of ours is one that has a single node, of an operator in `onnx_adapter.RUN`. (ONNX has some of them a second time,
with the operator spelled out in smaller ones: same arrays, other nodes.) Each is run, or left out with a reason.
"""

import warnings
from collections import defaultdict

import numpy as np
import onnx_adapter
import pytest

onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install '.[oracle]'")
from onnx.backend.test.loader import load_model_tests  # noqa: E402

NOT_RUN = {name: reason for reason, names in onnx_adapter.LEFT_OUT.items() for name in names}


@pytest.fixture(scope="module")
def cases():
    """The node tests of our operators: the operator's name to its test cases."""
    by_operator, state = defaultdict(list), np.random.get_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some tests are about infinities
        loaded = load_model_tests(kind="node")
    np.random.set_state(state)
    for case in loaded:
        nodes = case.model.graph.node
        if len(nodes) == 1 and nodes[0].op_type in onnx_adapter.RUN and not case.name.endswith("_expanded"):
            by_operator[nodes[0].op_type].append(case)
    return by_operator


def compare(case):
    """Asserts that every output that the test has is ours, within the test's own tolerance."""
    node = case.model.graph.node[0]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute} | {"outputs": len(node.output)}
    for inputs, outputs in case.data_sets:
        given = iter(inputs)
        arguments = [next(given) if name else None for name in node.input]
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                argument.flags.writeable = False
        ours = onnx_adapter.RUN[node.op_type](attributes, *arguments)
        assert len(ours) >= len(outputs)
        for out, expected in zip(ours, outputs, strict=False):
            assert np.shape(out) == np.shape(expected)
            assert out.dtype == expected.dtype or expected.dtype.kind in "iu", "integers are computed in float64"
            np.testing.assert_allclose(out, expected, rtol=case.rtol, atol=case.atol)


@pytest.mark.parametrize("operator", sorted(onnx_adapter.RUN))
def test_node_tests_pass(operator, cases):
    problems = []
    for case in cases[operator]:
        if case.name not in NOT_RUN:
            try:
                compare(case)
            except Exception as error:
                problems.append(f"{case.name}: {type(error).__name__}: {error}")
    assert not problems, "\n\n".join(problems)


def test_every_operator_has_tests_that_run(cases):
    assert [name for name in onnx_adapter.RUN if all(case.name in NOT_RUN for case in cases[name])] == []


def test_what_is_left_out_is_there(cases):
    """No reason outlives its test, and none is given twice."""
    assert not set(NOT_RUN) - {case.name for several in cases.values() for case in several}
    assert len(NOT_RUN) == sum(map(len, onnx_adapter.LEFT_OUT.values()))
