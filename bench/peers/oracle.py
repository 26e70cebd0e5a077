# SPDX-License-Identifier: BSD-3-Clause
"""Inputs of attention and of the block, and what must come out of them, in double.

Every peer is checked against this before it is timed, in the very process that is timed: a BLAS library that was put
before another one may compute wrong results quickly.
"""

from collections import namedtuple

import numpy as np

ROWS = 16  # queries of a sequence that are checked
UNIT = np.finfo(np.float32).eps / 2

# positions: places in the flattened output. magnitude: the sum of the absolute values of what was summed to each.
Expected = namedtuple("Expected", "positions values magnitude unit")


def inputs_of(workload):
    """Arrays by name, float32. Scores have the variance 1, so that the softmax is neither flat nor a single one."""
    rng = np.random.default_rng(1)
    sizes = workload.sizes

    def array(deviation, *shape):
        return (np.sqrt(3) * deviation * rng.uniform(-1, 1, shape)).astype(np.float32)

    if workload.kind == "attention":
        shape = [sizes[name] for name in ("batch", "heads", "tokens", "head_size")]
        return {name: array(1, *shape) for name in ("q", "k", "v")}
    width = sizes["width"]
    arrays = {"x": array(1, sizes["batch"], sizes["tokens"], width)}
    arrays.update({name: array(width**-0.5, width, width) for name in ("wq", "wk", "wv", "wo")})
    arrays.update({name: array(width**-0.5, width) for name in ("bq", "bk", "bv", "bo")})
    return arrays


def gradient_of(shape):
    """r, of the output's shape: backward begins at the sum of output * r."""
    return np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)


def attend(q, k, v, queries):
    """The outputs [batch, heads, queries, size] of some queries, and their magnitudes, in double."""
    scores = q[:, :, queries].astype(np.float64) @ k.astype(np.float64).swapaxes(2, 3) / np.sqrt(q.shape[3])
    p = np.exp(scores - scores.max(axis=3, keepdims=True))
    p /= p.sum(axis=3, keepdims=True)
    return p @ v.astype(np.float64), p @ np.abs(v.astype(np.float64))


def expected(workload, arrays):
    """The outputs of ROWS queries of each sequence. Layouts: attention as q, block as x."""
    sizes = workload.sizes
    tokens = sizes["tokens"]
    queries = np.linspace(0, tokens - 1, min(ROWS, tokens)).astype(int)
    if workload.kind == "attention":
        positions = np.arange(arrays["q"].size).reshape(arrays["q"].shape)[:, :, queries]
        values, magnitude = attend(arrays["q"], arrays["k"], arrays["v"], queries)
        roundings = sizes["head_size"] + tokens + 16
    else:
        width, heads = sizes["width"], sizes["heads"]
        x = arrays["x"].astype(np.float64)
        projected = (x @ arrays["w" + name] + arrays["b" + name] for name in "qkv")
        q, k, v = (a.reshape(*a.shape[:2], heads, width // heads).swapaxes(1, 2) for a in projected)
        o = attend(q, k, v, queries)[0].swapaxes(1, 2).reshape(x.shape[0], len(queries), width)
        positions = np.arange(x.size).reshape(x.shape)[:, queries]
        values = o @ arrays["wo"].astype(np.float64) + arrays["bo"]
        magnitude = np.abs(o) @ np.abs(arrays["wo"].astype(np.float64)) + np.abs(arrays["bo"])
        roundings = 2 * width + width // heads + tokens
    # As in hl-bench: chained products of these inner lengths (16: for the exponential, its sum and the quotient), whose
    # errors add up like a random walk (Higham and Mary 2019); four times that leaves room for its tail.
    return Expected(positions.ravel(), values.ravel(), magnitude.ravel(), 4 * np.sqrt(roundings) * UNIT)


def worst_error(want, output):
    """The largest error of a flattened output, relative to its bound: right up to 1. NaN counts as infinite."""
    error = np.abs(output[want.positions].astype(np.float64) - want.values) / (want.unit * want.magnitude)
    return float(np.nan_to_num(error, nan=np.inf).max())


def check_product(multiply):
    """Raises where a float product, or one of numpy's own in double, is not that of a loop without any BLAS."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((211, 307)), rng.standard_normal((307, 193))
    for kind, product in ((np.float32, multiply), (np.float64, np.matmul)):
        x, y = a.astype(kind), b.astype(kind)
        want = np.einsum("ik,kj->ij", x.astype(np.float64), y.astype(np.float64))
        bound = 4 * np.sqrt(a.shape[1]) * np.finfo(kind).eps * np.einsum("ik,kj->ij", np.abs(a), np.abs(b))
        if not np.all(np.abs(product(x, y) - want) <= bound):
            raise ArithmeticError(f"products of {np.dtype(kind).name} are wrong")
