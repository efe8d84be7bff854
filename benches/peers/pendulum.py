#!/usr/bin/env python3
"""The workload of `greybox bench pendulum`: what its peers share.

    ds/dt = f + g,  f = (w, 1.5 gamma sin a),  g = MLP(cos a, sin a, w, gamma, stopgrad f),  leaky ReLU
    objective = mean square error of (cos a, sin a, w) + 1e-2 |E<f, g>|,  E over batch x all stages of all steps

    pendulum.py --make DIR --batch 64      writes a random case that `greybox eval`, the scripts and burn/ read
"""
import os

import numpy as np

import peer

DT = 0.05
PENALTY_WEIGHT = 1e-2
STAGES = 4

MODEL = """\
[model]
physics = "physics.wgsl"

[theta.gravity]
bounds = [8.0, 12.0]

[net.g]
kind = "mlp"
hidden = [{hidden}]
activation = "leaky_relu"

[solver]
method = "{method}"
dt = {dt}
"""

PENALTY = """
[[penalty]]
kind = "orthogonality"
weight = {weight}
"""


def options(description):
    parser = peer.options(description)
    parser.add_argument("--penalty", choices=["none", "orthogonality"], default="orthogonality")
    parser.set_defaults(batch=4096, steps=10, hidden=[128, 128, 128])
    return parser


def random_case(a):
    """Random weights, and observations of the same model without its network, with noise: gradients are not small."""
    rng = np.random.default_rng(a.seed)
    batch, steps = a.batch, a.steps
    sizes = [6, *a.hidden, 2]
    uniform = lambda fan_in, *shape: rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(np.sqrt(fan_in))
    w = {}
    for i, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:])):
        w[f"g.{i}.weight"], w[f"g.{i}.bias"] = uniform(inputs, outputs, inputs), uniform(inputs, outputs)
    s0 = np.stack([rng.uniform(-3, 3, batch), rng.uniform(-2, 2, batch)], axis=1).astype(np.float32)
    theta = rng.uniform(8, 12, (batch, 1)).astype(np.float32)
    y = physics_alone(s0.astype(np.float64), theta[:, 0], steps) + rng.normal(0, 0.1, (batch, steps, 3))
    return w, {"s0": s0, "theta": theta, "y": y.astype(np.float32)}


def physics_alone(s, gravity, steps):
    """Outputs [B, steps, 3] of the pendulum without a network, by classic rk4."""
    f = lambda s: np.stack([s[:, 1], 1.5 * gravity * np.sin(s[:, 0])], axis=1)
    outputs = []
    for _ in range(steps):
        k1 = f(s)
        k2 = f(s + DT / 2 * k1)
        k3 = f(s + DT / 2 * k2)
        k4 = f(s + DT * k3)
        s = s + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        outputs.append(np.stack([np.cos(s[:, 0]), np.sin(s[:, 0]), s[:, 1]], axis=1))
    return np.stack(outputs, axis=1)


def files(a):
    model = MODEL.format(hidden=", ".join(map(str, a.hidden)), method=a.method, dt=DT)
    if a.penalty == "orthogonality":
        model += PENALTY.format(weight=PENALTY_WEIGHT)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, "shaders", "systems", "pendulum.wgsl")) as file:
        return model, file.read()


def flops(w, case):
    """Of a forward pass: two per weight, stage, step and trajectory."""
    batch, steps = case["y"].shape[:2]
    return batch * steps * STAGES * 2 * sum(v.size for v in w.values() if v.ndim == 2)


def main(parser, device, evaluate, measure):
    peer.main(parser, "pendulum", device, random_case, evaluate, measure, flops)


if __name__ == "__main__":
    peer.make(options(__doc__), random_case, files)
