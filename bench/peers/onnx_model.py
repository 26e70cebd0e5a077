#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Makes what bench/peers/ort_peer.js runs: models of a workload, its inputs, and what must come out of them.

    onnx_model.py WORKLOAD FOLDER

Writes FOLDER/model.json, a model for each setting beside it, and raw arrays. Settings: `mha` is MatMul for each
projection and com.microsoft.MultiHeadAttention; `attention` is com.microsoft.Attention, which multiplies with the three
matrices of the projections at once, and is for blocks alone. Weights are constants, so that ONNX Runtime may pack them.
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

import oracle
from workloads import WORKLOADS

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
IR_VERSION = 8


def model(nodes, inputs, output_shape, constants):
    """inputs: shapes by name. constants: arrays by name. The output is y."""

    def declare(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes, "work", [declare(name, shape) for name, shape in inputs.items()], [declare("y", output_shape)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()])
    made = helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION)
    checker.check_model(made)
    return made


def microsoft(operator, inputs, output, heads):
    return helper.make_node(operator, inputs, [output], domain="com.microsoft", num_heads=heads)


def attention_models(sizes, arrays):
    """The operator's own layout, [batch, tokens, heads * size]: it turns it into that of its products by itself."""
    shape = [sizes["batch"], sizes["tokens"], sizes["heads"] * sizes["head_size"]]
    inputs = {name: array.swapaxes(1, 2).reshape(shape) for name, array in arrays.items()}
    nodes = [microsoft("MultiHeadAttention", ["q", "k", "v"], "y", sizes["heads"])]
    return inputs, {"mha": model(nodes, {name: shape for name in inputs}, shape, {})}


def block_models(sizes, arrays):
    constants = {name: array for name, array in arrays.items() if name not in ("x", "bq", "bk", "bv")}
    constants["b"] = np.concatenate([arrays["bq"], arrays["bk"], arrays["bv"]])
    end = [helper.make_node("MatMul", ["o", "wo"], ["product"]), helper.make_node("Add", ["product", "bo"], ["y"])]
    apart = [helper.make_node("MatMul", ["x", "w" + name], [name]) for name in "qkv"]
    apart.append(microsoft("MultiHeadAttention", ["q", "k", "v", "b"], "o", sizes["heads"]))
    together = {name: constants[name] for name in ("wo", "b", "bo")}
    together["w"] = np.concatenate([arrays["wq"], arrays["wk"], arrays["wv"]], axis=1)
    shape = arrays["x"].shape
    return {"x": arrays["x"]}, {
        "mha": model(apart + end, {"x": shape}, shape, constants),
        "attention": model([microsoft("Attention", ["x", "w", "b"], "o", sizes["heads"])] + end, {"x": shape}, shape,
                           together)}


def positions_of(workload, want):
    """Where the operator's layout has the positions of the oracle's."""
    if workload.kind == "block":
        return want.positions
    sizes = workload.sizes
    shape = [sizes[name] for name in ("batch", "heads", "tokens", "head_size")]
    b, h, t, d = np.unravel_index(want.positions, shape)
    return ((b * shape[2] + t) * shape[1] + h) * shape[3] + d


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in WORKLOADS or WORKLOADS[sys.argv[1]].kind == "step":
        sys.exit(__doc__)
    workload, folder = WORKLOADS[sys.argv[1]], Path(sys.argv[2])
    arrays = oracle.inputs_of(workload)
    want = oracle.expected(workload, arrays)
    inputs, models = (attention_models if workload.kind == "attention" else block_models)(workload.sizes, arrays)
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in models.items():
        save(made, str(folder / f"{name}.onnx"))
    for name, array in inputs.items():
        array.astype("<f4").tofile(folder / f"{name}.f32")
    positions_of(workload, want).astype("<u4").tofile(folder / "positions.u32")
    want.values.astype("<f8").tofile(folder / "values.f64")
    want.magnitude.astype("<f8").tofile(folder / "magnitude.f64")
    shapes = {name: list(array.shape) for name, array in inputs.items()}
    about = {"inputs": shapes, "output": next(iter(shapes.values())), "unit": want.unit, "settings": list(models)}
    (folder / "model.json").write_text(json.dumps(about, indent=2))


if __name__ == "__main__":
    main()
