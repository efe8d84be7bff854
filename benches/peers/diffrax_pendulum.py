#!/usr/bin/env python3
"""The workload of `greybox bench pendulum` by diffrax in float32 on the CPU: constant steps of classic rk4.

diffrax has no classic rk4: its tableau is given to `AbstractERK`. <f, g> is a third state whose rate diffrax keeps of
every stage as "dense" output, so that the penalty costs no evaluation of its own. A gradient is one of two:

    recursive     RecursiveCheckpointAdjoint, with a checkpoint of every step: the faster, by a fifth at batch 4096
    direct        DirectAdjoint: JAX differentiates scans with checkpoints

and a batch is one of two:

    batched       one solve whose state is the whole batch: the faster gradient
    vmap          a solve of one trajectory, vectorised by JAX

    diffrax_pendulum.py --batch 4096                        times compile, forward and gradient
    diffrax_pendulum.py --weights W --input IN --output OUT   evaluates a case: values and gradients by greybox's names
"""
from typing import Callable, ClassVar

import diffrax
import jax, jax.numpy as jnp, numpy as np

import jax_pendulum
import pendulum as workload
from pendulum import DT


class ClassicRungeKutta(diffrax.AbstractERK):
    tableau: ClassVar[diffrax.ButcherTableau] = diffrax.ButcherTableau(
        a_lower=(np.array([1 / 2]), np.array([0.0, 1 / 2]), np.array([0.0, 0.0, 1.0])),
        b_sol=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]),
        b_error=np.zeros(4),                       # constant steps need no estimate
        c=np.array([1 / 2, 1 / 2, 1.0]),
    )
    interpolation_cls: ClassVar[Callable] = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms):
        return 4


ADJOINTS = {"direct": lambda steps: diffrax.DirectAdjoint(),
            "recursive": lambda steps: diffrax.RecursiveCheckpointAdjoint(checkpoints=steps)}


def solve(a, steps, w, s0, gravity):
    """States [steps, ...] after each step, and increments of the integral of <f, g> [steps, stages, ...]."""
    rates = lambda t, state, args: jax_pendulum.rates(*args, state[0])
    penalty = a.penalty == "orthogonality"
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rates), ClassicRungeKutta(), t0=0.0, t1=steps * DT, dt0=DT, max_steps=steps,
        y0=(s0, jnp.zeros(s0.shape[:-1])), args=(w, gravity), stepsize_controller=diffrax.ConstantStepSize(),
        saveat=diffrax.SaveAt(steps=True, dense=penalty), adjoint=ADJOINTS[a.adjoint](steps))
    return solution.ys[0], solution.interpolation.infos["k"][1] if penalty else None


def rollout(a, w, s0, gravity, steps):
    """States [steps, B, 2] after each step, and <f, g> [steps, stages, B] of every stage evaluation."""
    one = lambda *args: solve(a, steps, *args)
    if a.batching == "vmap":
        one = jax.vmap(one, in_axes=(None, 0, 0), out_axes=(1, 2))
    states, increments = one(w, s0, gravity)
    return states, None if increments is None else increments / DT


if __name__ == "__main__":
    parser = workload.options(__doc__)
    parser.add_argument("--adjoint", choices=list(ADJOINTS), default="recursive")
    parser.add_argument("--batching", choices=["batched", "vmap"], default="batched")
    jax_pendulum.main(parser, lambda a: f"diffrax-cpu {a.adjoint} {a.batching}", rollout)
