"""Sixteen numbers side by side, for numba kernels that advance sixteen problems in lockstep.

Dynamic programming waits for its own last result; sixteen independent problems do not wait for each
other. A value of type ``Lanes`` is one LLVM vector: it stays in registers, and LLVM cuts it to the
width of the processor at hand. These functions can be called from compiled kernels only.

A cached kernel does not notice a change in this file: after one, remove the caches.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model
from numpy.typing import DTypeLike

LANES = 16
"""Numbers in a vector; offsets below count numbers, so the next vector lies ``LANES`` further."""

_FINITE = ("contract", "nnan", "ninf", "nsz")
"""What the inputs of ``squared_distance`` allow LLVM to assume; the arrays were checked."""


def aligned(size: int, dtype: DTypeLike) -> np.ndarray:
    """Zeros (size,) whose vectors do not straddle cache lines."""
    width = np.dtype(dtype).itemsize
    memory = np.zeros(size * width + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size * width].view(dtype)


class Lanes(types.Type):
    """Numba's type of a vector of ``LANES`` floats of one width."""

    def __init__(self, dtype: types.Float):
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _vector(kind.dtype))


def _vector(dtype: types.Number) -> ir.VectorType:
    if dtype == types.int16:
        return ir.VectorType(ir.IntType(16), 2 * LANES)
    element = ir.DoubleType() if dtype == types.float64 else ir.FloatType()
    return ir.VectorType(element, LANES)


def _at(context, builder, kind, array, offset):
    """Pointer to the vector that starts at a number of a flat array."""
    data = context.make_array(kind)(context, builder, array).data
    pointer = builder.gep(data, [offset])
    return builder.bitcast(pointer, _vector(kind.dtype).as_pointer())


def _read(context, builder, kind, array, offset, *, constant=False):
    value = builder.load(_at(context, builder, kind, array, offset))
    value.align = kind.dtype.bitwidth // 8
    if constant:  # may be kept in a register across stores to other arrays
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


@intrinsic
def load(typing, array, offset):
    """The vector that starts at ``array[offset]``; float32 or float64, contiguous, one axis."""

    def generate(context, builder, signature, arguments):
        return _read(context, builder, signature.args[0], *arguments)

    return Lanes(array.dtype)(array, types.intp), generate


@intrinsic
def store(typing, array, offset, value):
    """Write a vector to ``array[offset:offset + LANES]``."""

    def generate(context, builder, signature, arguments):
        target, at, vector = arguments
        written = builder.store(vector, _at(context, builder, signature.args[0], target, at))
        written.align = signature.args[0].dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, Lanes(array.dtype)), generate


@intrinsic
def fill(typing, number):
    """The same number in all lanes."""
    kind = Lanes(number)

    def generate(context, builder, signature, arguments):
        vector = _vector(kind.dtype)
        undefined = ir.Constant(vector, ir.Undefined)
        one = builder.insert_element(undefined, arguments[0], ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, undefined, zeros)

    return kind(number), generate


@intrinsic
def add(typing, first, second):
    """Sum, lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments)

    return first(first, first), generate


@intrinsic
def multiply(typing, first, second):
    """Product, lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fmul(*arguments)

    return first(first, first), generate


@intrinsic
def widen(typing, value):
    """float64 of float32."""
    wide = Lanes(types.float64)

    def generate(context, builder, signature, arguments):
        return builder.fpext(arguments[0], _vector(types.float64))

    return wide(value), generate


@intrinsic
def minimum(typing, first, second):
    """The smaller one, lane by lane; no NaN."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return first(first, first), generate


@intrinsic
def any_within(typing, value, limit):
    """Whether any lane of ``value`` is at most ``limit``."""

    def generate(context, builder, signature, arguments):
        bits = builder.bitcast(builder.fcmp_ordered("<=", *arguments), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.IntType(LANES)(0))

    return types.boolean(value, value), generate


@intrinsic
def squared_distance(typing, x, at_x, y, at_y, vectors, like):
    """Squared Euclidean distance of two packed frames, lane by lane.

    Neither array may be written to by the kernel that calls this: only then is a frame read once
    for a whole row or column. A frame of float32 has a vector per channel, and is compared in
    float32. A frame of int16 has vectors of ``2 * LANES`` numbers, two channels of a lane side by
    side, and is compared exactly; differences must fit int16, the result int32.

    Args:
        typing: numba's, not passed by the caller.
        x: float32 or int16, flat; the frame's vectors begin at ``at_x``, one after the other.
        at_x: Offset.
        y: The other frame, in the same form.
        at_y: Offset.
        vectors: A tuple with one entry per vector of a frame, so that the count is known when
            compiling.
        like: float32 or float64 array, of whose type the result is.
    """
    sum_up, width = (_exact, 2 * LANES) if x.dtype == types.int16 else (_rounded, LANES)

    def generate(context, builder, signature, arguments):
        x_array, x_offset, y_array, y_offset, _, _ = arguments

        def read(vector):
            step = ir.Constant(x_offset.type, vector * width)
            here = _read(context, builder, x, x_array, builder.add(x_offset, step), constant=True)
            there = _read(context, builder, y, y_array, builder.add(y_offset, step), constant=True)
            return here, there

        total = sum_up(builder, read, vectors.count)
        if like.dtype == types.float64:
            total = builder.fpext(total, _vector(types.float64))
        return total

    argument_types = (x, types.intp, y, types.intp, vectors, like)
    return Lanes(like.dtype)(*argument_types), generate


def _rounded(builder, read, vectors):
    # Two short chains of sums wait less than one long one; a few channels need no second.
    chains = 2 if vectors > 8 else 1
    sums = [None] * chains
    for k in range(vectors):
        gap = builder.fsub(*read(k), flags=_FINITE)
        square = builder.fmul(gap, gap, flags=_FINITE)
        if k >= chains:
            square = builder.fadd(sums[k % chains], square, flags=_FINITE)
        sums[k % chains] = square
    return sums[0] if chains == 1 else builder.fadd(*sums)


def _exact(builder, read, vectors):
    """Squares and their sums become one instruction where there is one."""
    narrow, wide = (ir.VectorType(ir.IntType(32), size) for size in (LANES, 2 * LANES))
    undefined = ir.Constant(wide, ir.Undefined)
    even, odd = (ir.Constant(narrow, list(range(first, 2 * LANES, 2))) for first in (0, 1))
    total = ir.Constant(narrow, None)
    for k in range(vectors):
        gap = builder.sext(builder.sub(*read(k)), wide)
        square = builder.mul(gap, gap)
        halves = (builder.shuffle_vector(square, undefined, half) for half in (even, odd))
        total = builder.add(total, builder.add(*halves))
    return builder.sitofp(total, _vector(types.float32))
