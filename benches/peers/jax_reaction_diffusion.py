#!/usr/bin/env python3
"""The workload of `greybox bench reaction-diffusion` as a JAX program on the CPU: lax.scan over steps of classic rk4.

A convolution is one of two:

    products      the nine cells under a kernel side by side, times a matrix: what XLA differentiates best on a CPU
    lax           jax.lax.conv_general_dilated: what one writes first; its gradient takes several times as long

    jax_reaction_diffusion.py                                       times compile, forward and gradient
    jax_reaction_diffusion.py --weights W --input IN --output OUT   evaluates a case, by greybox's names
"""
import jax, jax.numpy as jnp

import peer
import reaction_diffusion as workload
from reaction_diffusion import DT, SPACING


# The model. Fields are [batch, row, column, channel]: products and convolutions are fastest so on a CPU.

def rim(x):
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")


def products(x, kernel):
    (height, width), outer = x.shape[1:3], rim(x)
    seen = [outer[:, r:r + height, c:c + width] for r in range(3) for c in range(3)]
    return jnp.concatenate(seen, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


def lax(x, kernel):
    return jax.lax.conv_general_dilated(rim(x), kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


CONVOLUTIONS = {"products": products, "lax": lax}


def network(convolution, w, x):
    layers = len(w) // 2
    for i in range(layers):
        kernel = jnp.transpose(w[f"g.{i}.weight"], (2, 3, 1, 0))
        x = convolution(x, kernel) + w[f"g.{i}.bias"]
        if i + 1 < layers:
            x = jax.nn.leaky_relu(x, 0.01)
    return x


def laplacian(s):
    p = rim(s)
    around = p[:, :-2, 1:-1] + p[:, 2:, 1:-1] + p[:, 1:-1, :-2] + p[:, 1:-1, 2:]
    return (around - 4 * s) / SPACING**2


def rollout(convolution, w, s0, theta, steps):
    """Fields [steps, B, H, W, C] after each step."""
    # Evaluating a stage again costs less than storing and reloading what the nine cells of every kernel were.
    @jax.checkpoint
    def rhs(s):
        return theta[:, None, None, :] * laplacian(s) + network(convolution, w, s)

    def step(s, _):
        k1 = rhs(s)
        k2 = rhs(s + DT / 2 * k1)
        k3 = rhs(s + DT / 2 * k2)
        k4 = rhs(s + DT * k3)
        s = s + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return s, s

    return jax.lax.scan(step, s0, length=steps)[1]


def objective(a, w, s0, theta, y):
    """The loss, and everything `greybox eval` writes beside it. Arrays are greybox's: [.., channel, row, column]."""
    states = rollout(CONVOLUTIONS[a.convolution], w, jnp.moveaxis(s0, 1, -1), theta, steps=y.shape[1])
    states = jnp.moveaxis(jnp.swapaxes(states, 0, 1), -1, 2)
    loss = jnp.mean((states - y) ** 2)
    return loss, {"states": jnp.concatenate([s0[:, None], states], axis=1), "y_hat": states, "loss": loss}


def arguments(a, w, case):
    precision = jnp.float64 if a.precision == "f64" else jnp.float32
    jax.config.update("jax_enable_x64", a.precision == "f64")
    cast = lambda arrays: {name: jnp.asarray(value, precision) for name, value in arrays.items()}
    case = cast(case)
    return cast(w), case["s0"], case["theta"], case["y"]


def evaluate(a, w, case):
    fun = jax.jit(jax.value_and_grad(lambda *args: objective(a, *args), argnums=(0, 1, 2), has_aux=True))
    (total, out), (gw, gs, gt) = fun(*arguments(a, w, case))
    return out | {"objective": total, "grad_s0": gs, "grad_theta": gt} | {f"grad/{k}": v for k, v in gw.items()}


def measure(a, w, case):
    args = jax.block_until_ready(arguments(a, w, case))       # arguments, not constants XLA could fold
    value = lambda *args: objective(a, *args)[0]
    forward, gradient = jax.jit(value), jax.jit(jax.value_and_grad(value))
    call = lambda fun: lambda: jax.block_until_ready(fun(*args))
    yield "compile", [peer.timed(call(gradient))], None       # trace, compile and run once
    yield "forward", peer.repeated(call(forward), a.repeats, warm_up=1), 1          # the first warm-up compiles too
    yield "gradient", peer.repeated(call(gradient), a.repeats, warm_up=1), 3


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    parser = workload.options(__doc__)
    parser.add_argument("--convolution", choices=list(CONVOLUTIONS), default="products")
    workload.main(parser, lambda a: f"jax-cpu {a.convolution}", evaluate, measure)
