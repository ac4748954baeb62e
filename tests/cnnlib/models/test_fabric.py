"""Fabrics: counts by the grid, chains and a U-Net inside, strengths, costs, and a search that keeps to its budget."""

from itertools import pairwise

import numpy as np
import pytest

from cnnlib import nn, optim, summary, training
from cnnlib.autograd import Tensor
from cnnlib.autograd import functional as F
from cnnlib.models import fabric

rng = np.random.default_rng(0)


@pytest.mark.parametrize("task", fabric.TASKS)
def test_full_size(task):
    """Saxena and Verbeek, section 3: L layers, S = 1 + log2(32) scales, three inputs a node, 3 x 3 filters; with all
    channels connected. 8 x 6 nodes have 3 · 6 - 2 connections between neighbouring layers, and 5 in the first and
    last."""
    plan = summary(lambda: fabric.Fabric(**fabric.CIFAR, task=task), (3, 32, 32))
    edges = 7 * (3 * 6 - 2) + 5 + 5
    assert plan.parameters == edges * (9 * 64 * 64 + 1) + 48 * 2 * 64 + (27 + 1) * 64 + 65 * 10
    assert plan.output_shape == ((10,) if task == "classification" else (10, 32, 32))
    assert {row.shape[1] for row in plan.rows if row.op == "batch_norm"} == {32, 16, 8, 4, 2, 1}


def only(net, *path):
    """The net with the edges along a path of nodes, and no other."""
    wanted = [f"{a}>{b}" for a, b in pairwise(path)]
    assert set(wanted) <= set(net.edges)
    for key, edge in net.edges.items():
        edge.alive = key in wanted
        edge.strength.data[...] = 100  # sigmoid: 1
    return net.eval()


def test_a_chain_is_one_path():
    """A classification network of convolutions and strides: source, the paper's figure 1."""
    nn.manual_seed(0)
    path = "0.0", "1.0", "2.1", "2.2"
    net = only(fabric.small(), *path)
    x = Tensor(rng.normal(size=(2, 1, 8, 8)).astype(np.float32))
    y = net.first(x)
    for a, b in pairwise(path):
        y = F.relu(net.nodes[a].norm(y))
        y = F.conv2d(y, net.edges[f"{a}>{b}"].conv.weight, stride=1 if a[2] == b[2] else 2, padding=1)
    y = net.output(F.global_avg_pool2d(F.relu(net.nodes["2.2"].norm(y))))
    np.testing.assert_allclose(net(x).data, y.data, atol=1e-5)


def test_conv_deconv_is_one_path():
    net = only(fabric.small(task="segmentation", layers=5), "0.0", "1.1", "2.2", "3.1", "4.0")
    assert net(Tensor(np.zeros((1, 1, 8, 12), np.float32))).shape == (1, 2, 8, 12)
    plan = summary(net, (1, 8, 12))
    assert [row.op for row in plan.rows if "edges" in row.path and row.op.startswith("conv")] == (
        ["conv2d", "conv2d", "conv_transpose2d", "conv_transpose2d"]
    )


def test_costs_are_those_of_the_convolutions():
    net = fabric.small()
    costs = net.costs((1, 16, 16))
    assert set(costs) == set(net.edges)
    assert costs["0.0>1.0"] == 16 * 16 * 9 * 6 * 6
    assert costs["0.0>1.1"] == 8 * 8 * 9 * 6 * 6
    assert costs["0.1>1.0"] == 8 * 8 * 9 * 6 * 6, "of the pixels, not of the zeros between them"
    expected = sum(costs[key] / (1 + np.exp(-2)) for key in costs)
    np.testing.assert_allclose(net.expected_cost(costs).item(), expected, rtol=1e-5)


def test_pruning_leaves_paths_only():
    net = fabric.small()
    for key in ("0.0>1.0", "0.0>0.1", "0.2>1.2", "1.2>2.2"):
        net.edges[key].strength.data[...] = -5
    # nothing reaches scales 1 and 2 of layer 0 any more, but 0.0>1.1 goes on
    assert net.prune() == ["0.0>1.1", "1.1>2.0", "1.1>2.1", "1.1>2.2", "2.0>2.1", "2.1>2.2"]
    x = Tensor(rng.normal(size=(1, 1, 8, 8)).astype(np.float32))
    assert net(x).shape == (1, 2)
    assert len([r for r in summary(net, (1, 8, 8)).rows if r.path.endswith("conv")]) == 6


def test_what_leads_nowhere_dies_too():
    net = fabric.small()
    for key in ("1.0>2.0", "1.0>2.1"):
        net.edges[key].strength.data[...] = -5
    gone = set(net.edges) - set(net.prune())
    assert gone == {"1.0>2.0", "1.0>2.1", "0.0>1.0", "0.1>1.0"}


def test_the_last_path_is_not_pruned():
    net = fabric.small()
    for edge in net.edges.values():
        edge.strength.data[...] = -1
    with pytest.raises(ValueError, match="no path"):
        net.prune()
    assert all(edge.alive for edge in net.edges.values())


@pytest.mark.parametrize("task", fabric.TASKS)
def test_a_small_one_learns(task, comes_alive, halves):
    nn.manual_seed(0)
    x, labels = halves(size=8, images=4)
    if task == "classification":
        labels = np.array([0, 1, 0, 1])
        x[labels == 1] *= -1
    comes_alive(fabric.small(task=task), x, lambda scores: F.cross_entropy(scores, labels), steps=5)


def test_a_search_keeps_to_its_budget():
    """Within a third of the cost of all: the penalty weakens the dear connections, the weakest die, the rest learns."""
    nn.manual_seed(0)
    x = rng.normal(size=(8, 1, 8, 8)).astype(np.float32)
    labels = np.arange(8) % 2
    x[labels == 1, :, :4] += 2
    net = fabric.small(channels=4)
    costs = net.costs((1, 8, 8))
    whole = sum(costs.values())
    optimizer = optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for _ in range(40):
        loss = fabric.budgeted_loss(net, net(Tensor(x)), labels, costs, budget=whole / 3, weight=2.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert net.expected_cost(costs).item() < 1.2 * whole / 3
    left = net.prune_to(costs, whole / 3)
    assert 0 < sum(costs[key] for key in left) <= whole / 3
    assert net.costs((1, 8, 8)) == {key: costs[key] for key in left}
    gone = set(costs) - set(left)
    assert np.mean([costs[key] for key in gone]) > np.mean([costs[key] for key in left]), "the dear ones go first"
    history = training.fit(net, x, labels, epochs=10, batch_size=8, lr=0.05, progress=False)
    assert history.accuracy[-1] == 1


def test_a_budget_for_no_path_is_refused():
    net = fabric.small()
    with pytest.raises(ValueError, match="the budget is 10"):
        net.prune_to(net.costs((1, 8, 8)), 10)
    assert all(edge.alive for edge in net.edges.values())
