# SPDX-License-Identifier: BSD-3-Clause
"""The work that Headloom and its peers are measured at: names, sizes, and how often each is repeated in a round.

Standard library alone, as bench/peers/run may be called by any python3. Attention and blocks are without a mask and
without dropout; what a block is, hl-bench block says: projections, attention and the dense layer behind it, all with
biases, no residual. The GPTs are those of bench/subjects/gpt.h.
"""

from collections import namedtuple

# kind: the command of hl-bench. sizes: its options, or a GPT's. what: the results that make the rows of the table.
Workload = namedtuple("Workload", "name kind sizes what repetitions")

BOTH = ("forward", "forward_backward")


def _attention(name, what, repetitions, **sizes):
    return Workload(name, "attention", sizes, what, repetitions)


def _block(name, repetitions, **sizes):
    return Workload(name, "block", sizes, BOTH, repetitions)


def _step(name, repetitions, **sizes):
    return Workload(name, "step", sizes, ("step",), repetitions)


WORKLOADS = {
    workload.name: workload
    for workload in (
        _attention("attention-512", BOTH, 10, batch=4, heads=12, tokens=512, head_size=64),
        _attention("attention-4096", ("forward",), 3, batch=1, heads=12, tokens=4096, head_size=64),
        _block("block-768", 10, batch=4, tokens=512, width=768, heads=12),
        _block("block-128", 100, batch=32, tokens=48, width=128, heads=4),
        _step("gpt2-124m", 3, layers=12, heads=12, width=768, vocabulary=50257, batch=4, tokens=64, bias=True),
        _step("nanogpt", 50, layers=4, heads=4, width=128, vocabulary=65, batch=12, tokens=64, bias=False),
        _step("nano6l", 5, layers=6, heads=6, width=384, vocabulary=65, batch=8, tokens=256, bias=False),
    )
}


def describe(workload):
    """A few words for a table: the kind or the model, and its sizes."""
    letters = {"batch": "B", "heads": "H", "tokens": "T", "head_size": "D", "width": "W"}
    words = [workload.name if workload.kind == "step" else workload.kind]
    return " ".join(words + [letter + str(workload.sizes[name]) for name, letter in letters.items()
                             if name in workload.sizes])


def hl_arguments(workload):
    """What hl-bench is called with, but for threads, repetitions and the file of results."""
    if workload.kind == "step":
        return ["step", workload.name]
    return [workload.kind] + [f"--{name.replace('_', '-')}={value}" for name, value in workload.sizes.items()]
