"""What each ATen operator does to captured values: the table `ATEN`, keyed by overload."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from typing import Any

import torch

from openwafer.nn.capture._walk import Handler
from openwafer.nn.capture.aten import _attention as attention
from openwafer.nn.capture.aten import _compute as compute
from openwafer.nn.capture.aten import _convolution as pictures
from openwafer.nn.capture.aten import _einsum as products
from openwafer.nn.capture.aten import _elementwise as elementwise
from openwafer.nn.capture.aten import _functions as functions
from openwafer.nn.capture.aten import _join as join
from openwafer.nn.capture.aten import _losses as losses
from openwafer.nn.capture.aten import _recurrent as recurrent
from openwafer.nn.capture.aten import _reductions as reductions
from openwafer.nn.capture.aten import _rotary as rotary
from openwafer.nn.capture.aten import _views as views
from openwafer.nn.capture.aten import _writes as writes

aten: Any = torch.ops.aten

ATEN: dict[Any, Handler] = {
    # layers
    aten.linear.default: compute.linear,
    aten.addmm.default: compute.addmm,
    aten.mm.default: compute.matmul,
    aten.matmul.default: compute.matmul,
    aten.bmm.default: compute.matmul,
    aten.einsum.default: products.einsum,
    # recurrent layers
    aten.lstm.input: recurrent.lstm,
    aten.gru.input: recurrent.gru,
    aten.rnn_tanh.input: recurrent.rnn("tanh"),
    aten.rnn_relu.input: recurrent.rnn("relu"),
    # pictures
    aten.conv1d.default: pictures.convolution,
    aten.conv1d.padding: pictures.convolution,
    aten.conv2d.default: pictures.convolution,
    aten.conv2d.padding: pictures.convolution,
    aten.max_pool1d.default: pictures.max_pool,
    aten.max_pool2d.default: pictures.max_pool,
    aten.avg_pool1d.default: pictures.average_pool,
    aten.avg_pool2d.default: pictures.average_pool,
    aten.adaptive_avg_pool1d.default: pictures.adaptive_average_pool,
    aten.adaptive_avg_pool2d.default: pictures.adaptive_average_pool,
    aten.embedding.default: compute.embedding,
    aten.rms_norm.default: compute.rms_norm,
    aten.layer_norm.default: compute.layer_norm,
    aten.batch_norm.default: compute.batch_norm,
    aten.dropout.default: compute.dropout,
    aten.scaled_dot_product_attention.default: attention.scaled_dot_product_attention,
    # losses
    aten.cross_entropy_loss.default: losses.cross_entropy,
    aten.nll_loss_nd.default: losses.nll_loss,
    aten.nll_loss.default: losses.nll_loss,
    aten.mse_loss.default: losses.mse_loss,
    aten.l1_loss.default: losses.l1_loss,
    aten.huber_loss.default: losses.huber_loss,
    aten.smooth_l1_loss.default: losses.smooth_l1_loss,
    aten.binary_cross_entropy_with_logits.default: losses.bce_with_logits,
    aten.binary_cross_entropy.default: losses.bce,
    aten.kl_div.default: losses.kl_div,
    aten.gather.default: losses.gather,
    # elementwise
    aten.relu.default: elementwise.unary("relu"),
    aten.silu.default: elementwise.unary("silu"),
    aten.tanh.default: elementwise.tanh,
    aten.sigmoid.default: elementwise.unary("sigmoid"),
    aten.gelu.default: elementwise.gelu,
    aten.add.Tensor: elementwise.add,
    aten.sub.Tensor: elementwise.sub,
    aten.mul.Tensor: elementwise.mul,
    aten.mul.Scalar: elementwise.mul,
    aten.div.Tensor: elementwise.div,
    aten.neg.default: elementwise.neg,
    aten.add.Scalar: elementwise.add,
    aten.sub.Scalar: elementwise.sub,
    aten.div.Scalar: elementwise.div,
    aten.rsub.Scalar: elementwise.rsub,
    aten.pow.Tensor_Scalar: functions.power,
    aten.square.default: elementwise.square,
    aten.rsqrt.default: elementwise.rsqrt,
    aten.reciprocal.default: functions.reciprocal,
    aten.exp.default: functions.exp,
    aten.log.default: functions.log,
    aten.abs.default: functions.absolute,
    aten.clamp.default: functions.clamp,
    aten.clamp_min.default: functions.clamp,
    aten.clamp_max.default: functions.clamp_max,
    aten.hardtanh.default: functions.hardtanh,
    aten.relu6.default: functions.relu6,
    aten.hardsigmoid.default: functions.hardsigmoid,
    aten.hardswish.default: functions.hardswish,
    aten.leaky_relu.default: functions.leaky_relu,
    aten.elu.default: functions.elu,
    aten.softplus.default: functions.softplus,
    aten.log_sigmoid.default: functions.log_sigmoid,
    aten.mish.default: functions.mish,
    aten.maximum.default: functions.maximum,
    aten.minimum.default: functions.minimum,
    aten.glu.default: functions.glu,
    aten.prelu.default: functions.prelu,
    aten.sqrt.default: functions.root,
    # constants of a known shape
    aten.zeros_like.default: functions.made(0.0),
    aten.ones_like.default: functions.made(1.0),
    aten.full_like.default: functions.made(None),
    aten.new_zeros.default: functions.made(0.0),
    aten.new_ones.default: functions.made(1.0),
    # many elements together
    aten.mean.dim: reductions.mean,
    aten.mean.default: reductions.mean_of_all,
    aten.var.correction: reductions.variance,
    aten.var.dim: reductions.variance_unbiased,
    aten.std.correction: functions.standard_deviation,
    aten.std.dim: functions.standard_deviation_unbiased,
    aten.cumsum.default: reductions.cumsum,
    aten.sum.dim_IntList: reductions.sum_,
    aten.sum.default: reductions.sum_of_all,
    aten.softmax.int: reductions.softmax,
    aten._softmax.default: reductions.softmax,
    aten.log_softmax.int: reductions.log_softmax,
    aten._log_softmax.default: reductions.log_softmax,
    # put together
    aten.cat.default: join.cat,
    aten.stack.default: join.stack,
    aten.roll.default: join.roll,
    aten.pad.default: join.pad,
    aten.repeat.default: join.repeat,
    aten.view_as_complex.default: rotary.view_as_complex,
    aten.view_as_real.default: rotary.view_as_real,
    # attention written by hand
    aten.masked_fill.Scalar: attention.masked_fill,
    aten.where.self: attention.where,
    aten.where.ScalarSelf: attention.where,
    # views
    aten.view.default: views.reshape,
    aten.reshape.default: views.reshape,
    aten._unsafe_view.default: views.reshape,
    aten.flatten.using_ints: views.reshape,
    aten.unflatten.int: views.reshape,
    aten.squeeze.default: views.reshape,
    aten.squeeze.dim: views.reshape,
    aten.squeeze.dims: views.reshape,
    aten.unsqueeze.default: views.reshape,
    aten.transpose.int: views.transpose,
    aten.t.default: views.t,
    aten.numpy_T.default: views.t,
    aten.permute.default: views.permute,
    aten.expand.default: views.expand,
    aten.broadcast_tensors.default: views.broadcast,
    aten.repeat_interleave.self_int: views.repeat_interleave,
    aten.slice.Tensor: views.slice_,
    aten.narrow.default: views.narrow,
    aten.select.int: views.select,
    aten.split.Tensor: views.split,
    aten.split.sizes: views.split,
    aten.split_with_sizes.default: views.split,
    aten.chunk.default: views.chunk,
    aten.unbind.int: views.unbind,
    aten.index.Tensor: views.index,
    aten.index_select.default: views.index_select,
    # written in place
    aten.slice_scatter.default: writes.slice_scatter,
    aten.select_scatter.default: writes.select_scatter,
    aten.index_put.default: writes.index_put,
    aten.copy.default: writes.copy,
    aten.fill.Scalar: writes.fill,
    aten.fill.Tensor: writes.fill,
    aten.zero.default: writes.zero,
    # nothing happens
    aten.contiguous.default: views.same,
    aten.clone.default: views.same,
    aten.alias.default: views.same,
    aten.detach.default: views.detach,
    aten.lift_fresh_copy.default: views.same,
    aten.to.dtype: views.cast,
    aten.to.dtype_layout: views.cast,
    aten._to_copy.default: views.cast,
    aten.type_as.default: views.cast,
}
