"""`deform_conv`: checks its arguments and calls the backend that is at hand."""

from __future__ import annotations

import torch
from torch import Tensor

from sslpdl.ops.library import ACTIVE
from sslpdl.ops.reference import deform_conv_reference
from sslpdl.ops.window import Pair, Window

__all__ = ["deform_conv"]


def deform_conv(
    value: Tensor,
    offset: Tensor,
    modulation: Tensor,
    *,
    groups: int,
    kernel_size: Pair = 3,
    stride: Pair = 1,
    padding: Pair = 1,
    dilation: Pair = 1,
    offset_scale: float = 1.0,
    softmax: bool = False,
    remove_center: bool = False,
) -> Tensor:
    """Return the deformable convolution (DCNv3) of an image, channels last.

    Output pixel (i, j) of group g is the sum over the K points of ``modulation * value_g(position)``, read between
    pixels bilinearly and zero outside the image, at::

        position = (i, j) * stride - padding + centre + offset_scale * (point * dilation - centre + offset)

    with ``centre = dilation * (kernel_size - 1) // 2``. Offsets are in pixels, (x, y) for each point; points go down
    the columns of the window one after the other. A NaN or infinite offset and a NaN modulation give NaN, as
    does a NaN pixel within reach of a point. On a whole pixel the derivative to the right is taken. The CPU kernel
    gives the same bits for any number of threads. On a GPU the gradient of the image is added up in any order, unless
    ``torch.use_deterministic_algorithms`` asks for the same bits every time; then an infinite gradient becomes NaN
    there.

    float16 and bfloat16 are stored as such and computed in float32. If the three tensors differ in type, also under
    autocast, the widest counts.

    Parameters
    ----------
    value : Tensor
        Image of shape (N, H, W, C), already projected.
    offset : Tensor
        Offsets of shape (N, Ho, Wo, G * K * 2).
    modulation : Tensor
        Weights of shape (N, Ho, Wo, G * K); logits when `softmax`.
    groups : int
        Number of groups G; C is a multiple of it.
    kernel_size, stride, padding, dilation : int or (int, int)
        Sampling window, as in a convolution, in rows and columns.
    offset_scale : float
        Factor of window and offsets.
    softmax : bool
        Normalise the modulation over the points of each group first.
    remove_center : bool
        Leave out the central point (odd windows only), so that K is one less.

    Returns
    -------
    Tensor
        Shape (N, Ho, Wo, C), Ho = (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1.

    Raises
    ------
    ValueError
        If shapes, groups or the window do not fit together.

    References
    ----------
    InternImage, CVPR 2023, equation 2 (https://arxiv.org/abs/2211.05778).

    Examples
    --------
    >>> import torch
    >>> value = torch.ones(1, 4, 4, 2)
    >>> still, mean = torch.zeros(1, 4, 4, 18), torch.full((1, 4, 4, 9), 1 / 9)
    >>> deform_conv(value, still, mean, groups=1)[0, :2, :2, 0]  # the mean over a zero-padded 3 x 3 window
    tensor([[0.4444, 0.6667],
            [0.6667, 1.0000]])
    """
    window = Window.of(kernel_size, stride=stride, padding=padding, dilation=dilation, remove_center=remove_center)
    _check(value, offset, modulation, window, groups)
    scale = float(offset_scale)
    if not _compiled(value, window, groups):
        return deform_conv_reference(value, offset, modulation, window, groups=groups, scale=scale, softmax=softmax)
    # one type for all three; bfloat16 and float16 are stored as such and computed in float32
    dtype = torch.promote_types(torch.promote_types(value.dtype, offset.dtype), modulation.dtype)
    result: Tensor = torch.ops.sslpdl.deform_conv.default(
        value.to(dtype),
        offset.to(dtype),
        modulation.to(dtype),
        groups,
        window.kernel,
        window.stride,
        window.padding,
        window.dilation,
        scale,
        softmax,
        window.remove_center,
    )
    return result.to(value.dtype)


def _compiled(value: Tensor, window: Window, groups: int) -> bool:
    """Whether a compiled kernel takes this: there is one for the device, and it can count so far."""
    height, width, channels = value.shape[1:]
    if max(height, width) >= 2**22:
        return False
    if value.device.type == "cuda":
        rows, columns = window.output_size(height, width)
        small = (height + 4) * (width + 4) < 2**31 and rows * columns * groups < 2**27 and max(rows, columns) < 2**22
        return ACTIVE.backend == "cuda" and small and max(window.kernel) <= 64
    fits = window.points <= 512 and height * width * channels < 2**31
    return ACTIVE.backend != "reference" and value.device.type in ("cpu", "meta") and fits


def _check(value: Tensor, offset: Tensor, modulation: Tensor, window: Window, groups: int) -> None:
    if value.dim() != 4 or groups < 1 or value.shape[3] % groups:
        raise ValueError(f"value must be (N, H, W, C) with C a multiple of {groups} groups, got {tuple(value.shape)}")
    if value.device != offset.device or value.device != modulation.device:
        raise ValueError(
            f"value, offset and modulation must be on one device, got {value.device}, {offset.device} and "
            f"{modulation.device}"
        )
    batch, height, width, _ = value.shape
    rows, columns = window.output_size(height, width)
    expected = (batch, rows, columns, groups * window.points)
    if tuple(modulation.shape) != expected:
        raise ValueError(f"modulation must be (N, Ho, Wo, G * K) = {expected}, got {tuple(modulation.shape)}")
    if tuple(offset.shape) != (*expected[:3], 2 * expected[3]):
        raise ValueError(
            f"offset must be (N, Ho, Wo, G * K * 2) = {(*expected[:3], 2 * expected[3])}, got {tuple(offset.shape)}"
        )
