#!/usr/bin/env python3
"""The pendulum workload of `greybox bench pendulum`, as a float32 JAX program on the CPU.

    ds/dt = f + g,  f = (w, 1.5 gamma sin a),  g = MLP(cos a, sin a, w, gamma, stopgrad f)
    objective = mean square error of (cos a, sin a, w) + 1e-2 |E<f, g>|,  E over batch x all rk4 stages

    jax_pendulum.py --batch 4096                            times compile, forward and gradient
    jax_pendulum.py --batch 4096 --make DIR                 writes a random case that `greybox eval` reads
    jax_pendulum.py --weights W --input IN --output OUT     evaluates a case: values and gradients by greybox's names
"""
import jax, jax.numpy as jnp, numpy as np

import peer

DT = 0.05
PENALTY_WEIGHT = 1e-2
STAGES = 4

PHYSICS = """\
struct State { angle: f32, velocity: f32 }
struct Theta { gravity: f32 }
struct Output { cos_angle: f32, sin_angle: f32, velocity: f32 }

fn physics(s: State, theta: Theta) -> State {
    return State(s.velocity, 1.5 * theta.gravity * sin(s.angle));
}

fn features(s: State, theta: Theta, f: State) -> array<f32, 6> {
    return array<f32, 6>(cos(s.angle), sin(s.angle), s.velocity, theta.gravity, stopgrad(f.angle), stopgrad(f.velocity));
}

fn observe(s: State) -> Output {
    return Output(cos(s.angle), sin(s.angle), s.velocity);
}
"""

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
method = "rk4"
dt = {dt}
"""

PENALTY = """
[[penalty]]
kind = "orthogonality"
weight = {weight}
"""


# The model. A batch is one array per quantity; products are [batch, in] x [in, out].

def mlp(w, x):
    layers = len(w) // 2
    for i in range(layers):
        x = x @ w[f"g.{i}.weight"].T + w[f"g.{i}.bias"]
        if i + 1 < layers:
            x = jax.nn.leaky_relu(x, 0.01)
    return x


def physics(s, gravity):
    return jnp.stack([s[:, 1], 1.5 * gravity * jnp.sin(s[:, 0])], axis=1)


def features(s, gravity, f):
    f = jax.lax.stop_gradient(f)
    return jnp.stack([jnp.cos(s[:, 0]), jnp.sin(s[:, 0]), s[:, 1], gravity, f[:, 0], f[:, 1]], axis=1)


def observe(s):
    return jnp.stack([jnp.cos(s[:, 0]), jnp.sin(s[:, 0]), s[:, 1]], axis=1)


def rollout(w, s0, theta, steps):
    """States [steps, B, 2] after each step, and <f, g> [steps, stages, B] of every stage evaluation."""
    gravity = theta[:, 0]

    # Evaluating a stage again costs less than storing and reloading its activations: a quarter less time at batch 4096.
    @jax.checkpoint
    def rhs(s):
        f = physics(s, gravity)
        g = mlp(w, features(s, gravity, f))
        return f + g, jnp.sum(f * g, axis=1)

    def step(s, _):
        k1, p1 = rhs(s)
        k2, p2 = rhs(s + DT / 2 * k1)
        k3, p3 = rhs(s + DT / 2 * k2)
        k4, p4 = rhs(s + DT * k3)
        s = s + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return s, (s, jnp.stack([p1, p2, p3, p4]))

    _, (states, dots) = jax.lax.scan(step, s0, length=steps)
    return states, dots


def objective(w, s0, theta, y, penalty):
    """The objective, and everything `greybox eval` writes beside it."""
    states, dots = rollout(w, s0, theta, steps=y.shape[1])
    y_hat = jnp.swapaxes(jax.vmap(observe)(states), 0, 1)
    present = ~jnp.isnan(y)
    loss = jnp.sum(jnp.where(present, y_hat - y, 0.0) ** 2) / jnp.sum(present)
    out = {"states": jnp.concatenate([s0[:, None], jnp.swapaxes(states, 0, 1)], axis=1), "y_hat": y_hat, "loss": loss}
    total = loss
    if penalty == "orthogonality":
        out["penalty/orthogonality"] = jnp.abs(jnp.mean(dots))
        total = loss + PENALTY_WEIGHT * out["penalty/orthogonality"]
        # The size of the terms that may cancel: what a tolerance is relative to. Not computed when timing.
        out["scale/penalty/orthogonality"] = jnp.mean(jnp.abs(dots))
        out["scale/objective"] = loss + PENALTY_WEIGHT * out["scale/penalty/orthogonality"]
    return total, out


# Cases on disk, by the names of the black-box contract.

def random_weights(rng, hidden):
    sizes = [6, *hidden, 2]
    uniform = lambda fan_in, *shape: rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(np.sqrt(fan_in))
    w = {}
    for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:])):
        w[f"g.{i}.weight"], w[f"g.{i}.bias"] = uniform(a, b, a), uniform(a, b)
    return w


def random_case(a):
    """Random weights, and observations of the same model without its network, with noise: gradients are not small."""
    rng = np.random.default_rng(a.seed)
    batch, steps = a.batch, a.steps
    w = random_weights(rng, a.hidden)
    s0 = np.stack([rng.uniform(-3, 3, batch), rng.uniform(-2, 2, batch)], axis=1).astype(np.float32)
    theta = rng.uniform(8, 12, (batch, 1)).astype(np.float32)
    zero = {k: np.zeros_like(v) for k, v in w.items()}
    states, _ = jax.jit(rollout, static_argnums=3)(zero, s0, theta, steps)
    y = np.swapaxes(jax.vmap(observe)(states), 0, 1) + rng.normal(0, 0.1, (batch, steps, 3))
    return w, {"s0": s0, "theta": theta, "y": y.astype(np.float32)}


def files(a):
    model = MODEL.format(hidden=", ".join(map(str, a.hidden)), dt=DT)
    if a.penalty == "orthogonality":
        model += PENALTY.format(weight=PENALTY_WEIGHT)
    return model, PHYSICS


def evaluate(a, w, case):
    fun = jax.jit(jax.value_and_grad(objective, argnums=(0, 1, 2), has_aux=True), static_argnums=4)
    (total, out), (gw, gs, gt) = fun(w, case["s0"], case["theta"], case["y"], a.penalty)
    return out | {"objective": total, "grad_s0": gs, "grad_theta": gt} | {f"grad/{k}": v for k, v in gw.items()}


def measure(a, w, case):
    args = jax.device_put((w, case["s0"], case["theta"], case["y"]))     # arguments, not constants XLA could fold
    value = lambda *args: objective(*args, a.penalty)[0]
    forward, gradient = jax.jit(value), jax.jit(jax.value_and_grad(value))
    call = lambda fun: lambda: jax.block_until_ready(fun(*args))
    yield "compile", [peer.timed(call(gradient))], None       # trace, compile and run once
    yield "forward", peer.repeated(call(forward), a.repeats), 1          # the first warm-up compiles too
    yield "gradient", peer.repeated(call(gradient), a.repeats), 3


def flops(w, case):
    batch, steps = case["y"].shape[:2]
    return batch * steps * STAGES * 2 * sum(v.size for v in w.values() if v.ndim == 2)


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    parser = peer.options(__doc__)
    parser.add_argument("--penalty", choices=["none", "orthogonality"], default="orthogonality")
    parser.set_defaults(batch=4096, steps=10, hidden=[128, 128, 128])
    peer.main(parser, "pendulum", lambda a: "jax-cpu", random_case, files, evaluate, measure, flops)
