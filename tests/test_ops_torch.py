"""The deformable convolution as a PyTorch operator: threads, autocast, compile, vmap, instruction sets, mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ops_helpers import both, gradients, inputs, needs_kernel

from sslpdl.ops import deform_conv


@both
def test_empty_batch(operator):
    tensors = inputs((0, 4, 4), 2, 16)
    results = gradients(operator, tensors, torch.zeros(0, 4, 4, 32, dtype=torch.float64), groups=2)
    assert [tuple(result.shape) for result in results] == [(0, 4, 4, 32), *(tuple(tensor.shape) for tensor in tensors)]


def test_strided_inputs():
    value, offset, modulation = inputs((2, 5, 6), 2, 16, dtype=torch.float32)
    expected = deform_conv(value, offset, modulation, groups=2)
    strided = [tensor.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1) for tensor in (value, offset, modulation)]
    assert not strided[0].is_contiguous()
    assert torch.equal(deform_conv(*strided, groups=2), expected)
    assert torch.equal(deform_conv(value[:, :, :, :], offset.flip(0).flip(0), modulation, groups=2), expected)


@needs_kernel
@pytest.mark.parametrize("batch", [1, 3])
def test_same_bits_for_any_number_of_threads(batch):
    tensors = inputs((batch, 17, 11), 4, 16, dtype=torch.float32, spread=2.0)
    incoming = torch.randn(batch, 17, 11, 64)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(gradients(deform_conv, tensors, incoming, groups=4, softmax=True))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            assert torch.equal(first, second)


@needs_kernel
def test_opcheck():
    tensors = [tensor.requires_grad_() for tensor in inputs((2, 5, 4), 2, 8, dtype=torch.float32)]
    arguments = (2, (3, 3), (1, 1), (1, 1), (1, 1), 1.0, True, False)
    torch.library.opcheck(torch.ops.sslpdl.deform_conv.default, (*tensors, *arguments))
    detached = [tensor.detach() for tensor in tensors]
    incoming = torch.randn(2, 5, 4, 16)
    torch.library.opcheck(torch.ops.sslpdl.deform_conv_backward.default, (incoming, *detached, *arguments))


@pytest.mark.slow
def test_compiles_without_a_break():
    tensors = [tensor.requires_grad_() for tensor in inputs((1, 5, 4), 2, 8, dtype=torch.float32)]

    def function(value, offset, modulation):
        return deform_conv(value.sin(), offset, modulation, groups=2, softmax=True).cos()

    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(
        gradients(compiled, tensors, torch.ones(1, 5, 4, 16)),
        gradients(function, tensors, torch.ones(1, 5, 4, 16)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@needs_kernel
def test_vmap_runs_as_part_of_the_batch():
    value, offset, modulation = (torch.stack([t, t.flip(1)]) for t in inputs((2, 5, 4), 2, 8))
    mapped = torch.vmap(lambda v, o: deform_conv(v, o, modulation[0], groups=2), in_dims=(0, 0))(value, offset)
    expected = torch.stack([deform_conv(v, o, modulation[0], groups=2) for v, o in zip(value, offset, strict=True)])
    assert torch.equal(mapped, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_types_are_computed_in_single(dtype):
    value, offset, modulation = inputs((1, 6, 5), 2, 16, dtype=dtype)
    result = deform_conv(value, offset.float(), modulation, groups=2, softmax=True)
    assert result.dtype == dtype
    expected = deform_conv(value.float(), offset.float(), modulation.float(), groups=2, softmax=True)
    assert torch.equal(result, expected.to(dtype))


@needs_kernel
@pytest.mark.parametrize("compiled", [False, True])
def test_autocast_of_the_bare_operator_keeps_the_widest_type_and_computes_in_single(compiled):
    value, offset, modulation = inputs((1, 6, 5), 2, 16, dtype=torch.bfloat16)
    arguments = (2, (3, 3), (1, 1), (1, 1), (1, 1), 1.0, False, False)
    operator = torch.ops.sslpdl.deform_conv.default
    run = torch.compile(operator, fullgraph=True, backend="aot_eager") if compiled else operator
    single = operator(value.float(), offset.float(), modulation.float(), *arguments)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(run(value, offset, modulation, *arguments), single.bfloat16())
        assert torch.equal(run(value, offset.float(), modulation, *arguments), single)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": 3}, "groups"),
        ({"groups": 0}, "groups"),
        ({"kernel_size": 5}, "modulation"),
        ({"kernel_size": 0}, "positive"),
        ({"padding": -1}, "padding"),
        ({"kernel_size": 2, "remove_center": True}, "odd"),
    ],
)
def test_arguments_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        deform_conv(*inputs((1, 4, 4), 2, 8), **{"groups": 2, **change})


def test_offset_of_the_wrong_size():
    value, offset, modulation = inputs((1, 4, 4), 2, 8)
    with pytest.raises(ValueError, match="offset"):
        deform_conv(value, offset[..., 1:], modulation, groups=2)


CHECK = """
import sys
sys.path.insert(0, {tests!r})
import torch
import test_ops
import test_ops_half
from ops_helpers import assert_exact, deform_conv, inputs
from sslpdl.ops.library import ACTIVE
assert ACTIVE.instructions == {expected!r}, ACTIVE
for width in (8, 16, 32, 5):
    assert_exact(inputs((2, 9, 7), 3, width, spread=2.0), groups=3, softmax=width < 20)
test_ops.test_far_points_weigh_nothing(deform_conv, 1e38, torch.float32)
test_ops.test_not_a_number_in_gives_not_a_number_out(deform_conv, torch.float32)
test_ops.test_derivative_on_a_pixel_is_to_the_right(deform_conv)
test_ops.test_thin_images(deform_conv, (1, 5, 1))
for dtype in (torch.bfloat16, torch.float16):
    test_ops_half.test_products_are_rounded_once(dtype)
    for width in (8, 16):
        test_ops_half.test_within_the_rounding_of_storage(dtype, width, {{}}, True)
"""


@needs_kernel
@pytest.mark.slow
@pytest.mark.parametrize("instructions", ["avx2", "portable"])
def test_other_instruction_sets(instructions):
    from sslpdl.ops.library import ACTIVE

    if instructions == "avx2" and ACTIVE.instructions == "portable":
        pytest.skip("this processor has no AVX2")
    script = CHECK.format(tests=str(Path(__file__).parent), expected=instructions)
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "SSLPDL_ISA": instructions}, check=True)
