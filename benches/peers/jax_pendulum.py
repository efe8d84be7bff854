#!/usr/bin/env python3
"""The workload of `greybox bench pendulum` as a float32 JAX program on the CPU: lax.scan over steps of classic rk4.

What the reverse pass finds in memory of each stage is one of three:

    inputs        the states; the network is evaluated again: fastest at large batches
    products      the matrix products too; only activations are evaluated again: fastest at small ones
    all           whatever XLA stores if it is not told otherwise

    jax_pendulum.py --batch 4096                            times compile, forward and gradient
    jax_pendulum.py --weights W --input IN --output OUT     evaluates a case: values and gradients by greybox's names
"""
import jax, jax.numpy as jnp

import peer
import pendulum as workload
from pendulum import DT, PENALTY_WEIGHT


# The model. A batch is one array per quantity, its first axes trajectories; products are [batch, in] x [in, out].

def mlp(w, x):
    layers = len(w) // 2
    for i in range(layers):
        x = x @ w[f"g.{i}.weight"].T + w[f"g.{i}.bias"]
        if i + 1 < layers:
            x = jax.nn.leaky_relu(x, 0.01)
    return x


def physics(s, gravity):
    return jnp.stack([s[..., 1], 1.5 * gravity * jnp.sin(s[..., 0])], axis=-1)


def features(s, gravity, f):
    f = jax.lax.stop_gradient(f)
    return jnp.stack([*jnp.moveaxis(observe(s), -1, 0), gravity, f[..., 0], f[..., 1]], axis=-1)


def observe(s):
    return jnp.stack([jnp.cos(s[..., 0]), jnp.sin(s[..., 0]), s[..., 1]], axis=-1)


def rates(w, gravity, s):
    """ds/dt [.., 2], and <f, g> [..]."""
    f = physics(s, gravity)
    g = mlp(w, features(s, gravity, f))
    return f + g, jnp.sum(f * g, axis=-1)


KEPT = {
    "inputs": jax.checkpoint,
    "products": lambda f: jax.checkpoint(f, policy=jax.checkpoint_policies.dots_saveable, prevent_cse=False),
    "all": lambda f: f,
}


def rollout(a, w, s0, gravity, steps):
    """States [steps, B, 2] after each step, and <f, g> [steps, stages, B] of every stage evaluation."""
    rhs = KEPT[a.keep or ("products" if s0.shape[0] <= 256 else "inputs")](lambda s: rates(w, gravity, s))

    def step(s, _):
        k1, p1 = rhs(s)
        k2, p2 = rhs(s + DT / 2 * k1)
        k3, p3 = rhs(s + DT / 2 * k2)
        k4, p4 = rhs(s + DT * k3)
        s = s + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return s, (s, jnp.stack([p1, p2, p3, p4]))

    return jax.lax.scan(step, s0, length=steps)[1]


def objective(a, rollout, w, s0, theta, y):
    """The objective, and everything `greybox eval` writes beside it; `rollout` solves the equation."""
    states, dots = rollout(a, w, s0, theta[:, 0], y.shape[1])
    y_hat = jnp.swapaxes(observe(states), 0, 1)
    present = ~jnp.isnan(y)
    loss = jnp.sum(jnp.where(present, y_hat - y, 0.0) ** 2) / jnp.sum(present)
    out = {"states": jnp.concatenate([s0[:, None], jnp.swapaxes(states, 0, 1)], axis=1), "y_hat": y_hat, "loss": loss}
    total = loss
    if a.penalty == "orthogonality":
        out["penalty/orthogonality"] = jnp.abs(jnp.mean(dots))
        total = loss + PENALTY_WEIGHT * out["penalty/orthogonality"]
        # The size of the terms that may cancel: what a tolerance is relative to. Not computed when timing.
        out["scale/penalty/orthogonality"] = jnp.mean(jnp.abs(dots))
        out["scale/objective"] = loss + PENALTY_WEIGHT * out["scale/penalty/orthogonality"]
    return total, out


def main(parser, device, rollout):
    """Evaluates or times the objective with this solver."""
    jax.config.update("jax_platforms", "cpu")

    def evaluate(a, w, case):
        value = lambda *args: objective(a, rollout, *args)
        fun = jax.jit(jax.value_and_grad(value, argnums=(0, 1, 2), has_aux=True))
        (total, out), (gw, gs, gt) = fun(w, case["s0"], case["theta"], case["y"])
        return out | {"objective": total, "grad_s0": gs, "grad_theta": gt} | {f"grad/{k}": v for k, v in gw.items()}

    def measure(a, w, case):
        args = jax.device_put((w, case["s0"], case["theta"], case["y"]))     # arguments, not constants XLA could fold
        value = lambda *args: objective(a, rollout, *args)[0]
        forward, gradient = jax.jit(value), jax.jit(jax.value_and_grad(value))
        call = lambda fun: lambda: jax.block_until_ready(fun(*args))
        yield "compile", [peer.timed(call(gradient))], None       # trace, compile and run once
        yield "forward", peer.repeated(call(forward), a.repeats), 1          # the first warm-up compiles too
        yield "gradient", peer.repeated(call(gradient), a.repeats), 3

    workload.main(parser, device, evaluate, measure)


if __name__ == "__main__":
    parser = workload.options(__doc__)
    parser.add_argument("--keep", choices=list(KEPT), help="default: products up to batch 256, then inputs")
    main(parser, lambda a: "jax-cpu", rollout)
