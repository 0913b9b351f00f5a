"""The operator inside networks: several processes, compilation, export."""

from __future__ import annotations

import os
import sys

import pytest
import torch
from ops_helpers import gradients, inputs, needs_kernel
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.operator_peers import core
from sslpdl import models
from sslpdl.ops import DCNv3, deform_conv


@pytest.mark.parametrize("size", [(2, 7, 5), (1, 28, 16), (1, 14, 30)])
def test_agrees_with_the_core_of_internimage_on_a_double_grid(size):
    tensors = inputs(size, 3, 4)
    incoming = torch.randn(*size, 12, dtype=torch.float64)
    expected = gradients(lambda *t: core(*t, 3), tensors, incoming)
    for ours, theirs in zip(gradients(deform_conv, tensors, incoming, groups=3), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def layer():
    torch.manual_seed(0)
    dcn = DCNv3(16, group=2)
    for head in (dcn.offset, dcn.mask):
        nn.init.normal_(head.weight, std=0.1)
    return dcn


def images():
    return torch.randn(4, 6, 5, 16, generator=torch.Generator().manual_seed(1))


def train_a_part(rank, folder):
    """One of two processes: the gradient of its half of the images, averaged over both."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    network = DistributedDataParallel(layer())
    network(images()[2 * rank : 2 * rank + 2]).square().mean().backward()
    if rank == 0:
        torch.save({name: p.grad for name, p in network.module.named_parameters()}, f"{folder}/gradients.pt")
    distributed.barrier()
    del network
    distributed.destroy_process_group()
    # PyTorch's own threads may still be winding down, and an ordinary exit now and then aborts over them
    os._exit(0)


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_gloo_available(), reason="this PyTorch has no gloo")
def test_two_processes_train_as_one(tmp_path):
    multiprocessing.spawn(train_a_part, (str(tmp_path),), nprocs=2)
    found = torch.load(tmp_path / "gradients.pt", weights_only=True)
    dcn = layer()
    dcn(images()).square().mean().backward()
    for name, parameter in dcn.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, msg=name)


@pytest.mark.slow
@needs_kernel
@pytest.mark.parametrize("train", [False, True], ids=["forecast", "training"])
def test_network_compiles_without_a_break(train):
    torch.manual_seed(0)
    network = models.build("tiny", classes=3, shape=(32, 32), drop_path=0.0, finetuning_mask_ratio=0.0).train(train)
    fields = torch.randn(2, 16, 32, 32)
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(fields), network(fields))
    if train:
        found = []
        for run in (compiled, network):
            network.zero_grad()
            run(fields).square().mean().backward()
            found.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@needs_kernel
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="torch.export lags behind new versions of Python")
def test_small_model_is_exported():
    torch.manual_seed(0)
    network = models.build("small", classes=6).eval()
    fields = torch.randn(1, 16, 224, 128)
    with torch.no_grad():
        program = torch.export.export(network, (fields,))
        names = {str(node.target) for node in program.graph.nodes}
        assert "sslpdl.deform_conv.default" in names
        torch.testing.assert_close(program.module()(fields), network(fields))
