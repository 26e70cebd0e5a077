#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch at one workload of workloads.py: checked, then timed.

Attention and blocks are checked against double, training steps by the loss, which must begin where random weights leave
it and fall. Forward runs without recording for a backward pass. forward_backward makes the gradients of all inputs and
weights from the sum of output * r, and adds them to nothing. Prints JSON: what the checks gave, which BLAS library
computes, and the minimum and median of the repetitions in ms.
"""

import argparse
import ctypes
import json
import math
import os
import statistics
import sys
import time

import numpy as np
import torch
from torch.nn import functional

import oracle
from torch_gpt import GPT, attend, multi_head
from workloads import WORKLOADS

WARM_UP = 2  # runs that are not counted
RATE, DECAY = 1e-4, 0.1  # as in hl-bench step


class SymbolInfo(ctypes.Structure):
    """What dladdr fills in."""

    _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("name", ctypes.c_char_p),
                ("address", ctypes.c_void_p)]


def blas_library():
    """The file that products come from, since LD_PRELOAD is only a wish. Preloaded names come before linked ones."""
    linked = [line.split()[-1] for line in open("/proc/self/maps", encoding="ascii") if "libtorch_cpu" in line]
    for library in [None] + linked[:1]:
        try:
            product = ctypes.CDLL(library).sgemm_
        except AttributeError:
            continue
        info = SymbolInfo()
        if ctypes.CDLL(None).dladdr(ctypes.cast(product, ctypes.c_void_p), ctypes.byref(info)):
            return os.path.realpath(info.file.decode())
    return "unknown"


def measure(what, run, repetitions):
    for _ in range(WARM_UP):
        run()
    ms = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        run()
        ms.append((time.perf_counter() - begin) * 1e3)
    return {"what": what, "ms_min": min(ms), "ms_median": statistics.median(ms)}


def subject_of(workload, arrays):
    """A function without arguments that makes the output, and the tensors that have gradients."""
    if workload.kind == "attention":
        parts = [torch.from_numpy(arrays[name]).requires_grad_() for name in ("q", "k", "v")]
        return lambda: attend(*parts), parts
    # PyTorch's matrices are [out, in].
    w = np.ascontiguousarray(np.concatenate([arrays[name].T for name in ("wq", "wk", "wv")]))
    b = np.concatenate([arrays[name] for name in ("bq", "bk", "bv")])
    wo = np.ascontiguousarray(arrays["wo"].T)
    parts = [torch.from_numpy(array).requires_grad_() for array in (arrays["x"], w, b, wo, arrays["bo"])]
    x, w, b, wo, bo = parts
    return lambda: functional.linear(multi_head(x, (w, b), workload.sizes["heads"]), wo, bo), parts


def run_subject(workload, repetitions):
    arrays = oracle.inputs_of(workload)
    output, parts = subject_of(workload, arrays)

    def forward():
        with torch.no_grad():
            return output()

    y = forward()
    error = oracle.worst_error(oracle.expected(workload, arrays), y.numpy().ravel())
    if error > 1:
        sys.exit(f"torch_peer.py: wrong results, worst error {error} of its bound")
    r = torch.from_numpy(oracle.gradient_of(tuple(y.shape)))
    runs = {"forward": forward, "forward_backward": lambda: torch.autograd.grad(output(), parts, r)}
    return {"worst_error": error, "results": [measure(what, runs[what], repetitions) for what in workload.what]}


def run_step(workload, repetitions, tied):
    sizes = workload.sizes
    model = GPT(sizes, tied)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    stream = torch.randint(sizes["vocabulary"], (sizes["batch"] * sizes["tokens"] + 1,))
    words, labels = (part.view(sizes["batch"], sizes["tokens"]) for part in (stream[:-1], stream[1:]))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = model(words, labels)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step().item() for _ in range(4)]
    # Small random weights make all words about equally likely.
    if not (abs(losses[0] - math.log(sizes["vocabulary"])) < 0.5 and losses[-1] < losses[0]):
        sys.exit(f"torch_peer.py: training is wrong, losses {losses}")
    return {"losses": losses, "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "results": [measure("step", step, repetitions)]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--setting", default="", help="what the caller names this by")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repetitions", type=int, help="default: the workload's")
    parser.add_argument("--untied", action="store_true", help="a GPT's logits have a matrix of their own")
    options = parser.parse_args()
    workload = WORKLOADS[options.workload]
    repetitions = options.repetitions or workload.repetitions
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    oracle.check_product(lambda a, b: (torch.from_numpy(a) @ torch.from_numpy(b)).numpy())
    if workload.kind == "step":
        made = run_step(workload, repetitions, not options.untied)
    else:
        made = run_subject(workload, repetitions)
    print(json.dumps({"peer": "torch", "setting": options.setting, "version": torch.__version__,
                      "blas": blas_library(), "threads": torch.get_num_threads(), **made}))


if __name__ == "__main__":
    main()
