#!/usr/bin/env python3
"""The workload of `greybox bench pendulum` in PyTorch in float32 on the CPU, by one of two integrators:

    torchdiffeq   odeint(..., method="rk4"), which is Kutta's 3/8 rule (greybox's rk38), differentiated by autograd
    loop          classic rk4 written as a loop, differentiated by autograd

Both evaluate the right-hand side four times per step and store the activations. The right-hand side notes <f, g> of every
evaluation, so that the penalty costs none of its own. Small products are faster on one thread than on all: each phase
is tried with both and timed with the faster.

    torch_pendulum.py --integrator loop                          times forward and gradient
    torch_pendulum.py --weights W --input IN --output OUT        evaluates a case, by greybox's names
"""
import torch
import torch.nn.functional as F

import peer
import pendulum as workload
from pendulum import DT, PENALTY_WEIGHT
from torch_integrators import INTEGRATORS


def mlp(w, x):
    layers = len(w) // 2
    for i in range(layers):
        x = F.linear(x, w[f"g.{i}.weight"], w[f"g.{i}.bias"])
        if i + 1 < layers:
            x = F.leaky_relu(x, 0.01)
    return x


def observe(s):
    return torch.stack([torch.cos(s[..., 0]), torch.sin(s[..., 0]), s[..., 1]], dim=-1)


def objective(a, w, s0, theta, y):
    """The objective, and everything `greybox eval` writes beside it."""
    dots = []

    def rates(_, s):
        seen = observe(s)
        f = torch.stack([s[:, 1], 1.5 * theta[:, 0] * seen[:, 1]], dim=1)
        g = mlp(w, torch.cat([seen, theta, f.detach()], dim=1))
        if a.penalty == "orthogonality":
            dots.append((f * g).sum(dim=1))
        return f + g

    states = INTEGRATORS[a.integrator](rates, s0, DT, y.shape[1]).transpose(0, 1)
    y_hat = observe(states[:, 1:])
    present = ~torch.isnan(y)
    loss = torch.where(present, y_hat - y, 0.0).square().sum() / present.sum()
    out = {"states": states, "y_hat": y_hat, "loss": loss, "objective": loss}
    if a.penalty == "orthogonality":
        dots = torch.stack(dots)
        penalty = dots.mean().abs()
        out |= {"penalty/orthogonality": penalty, "objective": loss + PENALTY_WEIGHT * penalty}
        if a.output:                # the size of the terms that may cancel: what a tolerance is relative to
            size = dots.detach().abs().mean()
            out |= {"scale/penalty/orthogonality": size, "scale/objective": loss + PENALTY_WEIGHT * size}
    return out


def arguments(w, case):
    w = {name: torch.from_numpy(value).requires_grad_() for name, value in w.items()}
    return w, *(torch.from_numpy(case[name]) for name in ("s0", "theta", "y"))


def evaluate(a, w, case):
    w, s0, theta, y = arguments(w, case)
    out = objective(a, w, s0.requires_grad_(), theta.requires_grad_(), y)
    out["objective"].backward()
    out |= {"grad_s0": s0.grad, "grad_theta": theta.grad} | {f"grad/{name}": value.grad for name, value in w.items()}
    return {name: value.detach().numpy() for name, value in out.items()}


def measure(a, w, case):
    w, s0, theta, y = arguments(w, case)

    @torch.no_grad()
    def forward():
        return objective(a, w, s0, theta, y)["objective"].item()

    def gradient():
        return torch.autograd.grad(objective(a, w, s0, theta, y)["objective"], list(w.values()))

    yield "forward", fastest(forward, a.repeats), 1
    yield "gradient", fastest(gradient, a.repeats), 3


def fastest(call, repeats):
    """Milliseconds of each call, with the number of threads that is faster in a few."""
    tried = {}
    for threads in {1, peer.threads()}:
        torch.set_num_threads(threads)
        tried[threads] = min(peer.repeated(call, 3, warm_up=1))
    torch.set_num_threads(min(tried, key=tried.get))
    return peer.repeated(call, repeats, warm_up=1)


if __name__ == "__main__":
    parser = workload.options(__doc__)
    parser.add_argument("--integrator", choices=list(INTEGRATORS), default="torchdiffeq")
    workload.main(parser, lambda a: f"torch-cpu {a.integrator}", evaluate, measure)
