#!/usr/bin/env python3
"""The workload of `greybox bench reaction-diffusion`: what its peers share.

    d(u, v)/dt = (a Laplacian u, b Laplacian v) + conv(u, v),  3x3 kernels, 2 -> hidden -> 2 channels, leaky ReLU
    objective = mean square error of (u, v)

What lies beyond the rim is the nearest cell, for the Laplacian and for the kernels. Weights, initial fields, parameters
and targets are drawn from the distributions that `greybox bench` draws from.

    reaction_diffusion.py --make DIR      writes a random case that `greybox eval` and the scripts read
"""
import os

import numpy as np

import peer

SPACING = 2 / 31
DT = 0.1
STAGES = 4
CHANNELS = 2

MODEL = """\
[model]
physics = "physics.wgsl"

[grid]
size = [{grid}, {grid}]
spacing = {spacing!r}
boundary = "replicate"

[theta]
a = {{ bounds = [1e-3, 1e-2] }}
b = {{ bounds = [1e-3, 1e-2] }}

[net.g]
kind = "conv"
channels = [{hidden}]
activation = "leaky_relu"

[solver]
method = "{method}"
dt = {dt}
"""


def options(description):
    parser = peer.options(description)
    parser.add_argument("--grid", type=int, default=32, help="cells along each axis")
    parser.add_argument("--precision", choices=["f32", "f64"], default="f32")
    parser.set_defaults(batch=20, steps=15, hidden=[16, 16])
    return parser


def random_case(a):
    rng = np.random.default_rng(a.seed)
    uniform = lambda low, high, *shape: rng.uniform(low, high, shape).astype(np.float32)
    sizes = [CHANNELS, *a.hidden, CHANNELS]
    w = {}
    for i, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:])):
        bound = 1 / np.sqrt(9 * inputs)
        w[f"g.{i}.weight"], w[f"g.{i}.bias"] = uniform(-bound, bound, outputs, inputs, 3, 3), uniform(-bound, bound, outputs)
    field = (CHANNELS, a.grid, a.grid)
    return w, {"s0": uniform(-1, 1, a.batch, *field), "theta": uniform(1e-3, 1e-2, a.batch, 2),
               "y": uniform(-1, 1, a.batch, a.steps, *field)}


def files(a):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, "shaders", "systems", "reaction-diffusion.wgsl")) as file:
        physics = file.read()
    hidden = ", ".join(map(str, a.hidden))
    return MODEL.format(grid=a.grid, spacing=SPACING, hidden=hidden, method=a.method, dt=DT), physics


def flops(w, case):
    batch, steps, _, rows, columns = case["y"].shape
    return batch * steps * STAGES * 2 * rows * columns * sum(v.size for v in w.values() if v.ndim == 4)


def main(parser, device, evaluate, measure):
    peer.main(parser, "reaction-diffusion", device, random_case, evaluate, measure, flops)


if __name__ == "__main__":
    peer.make(options(__doc__), random_case, files)
