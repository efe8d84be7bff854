#!/usr/bin/env python3
"""The workload of `greybox bench reaction-diffusion` in PyTorch on the CPU, by one of two integrators:

    torchdiffeq   odeint(..., method="rk4"), which is Kutta's 3/8 rule (greybox's rk38), differentiated by autograd
    loop          classic rk4 written as a loop, differentiated by autograd

Both evaluate the right-hand side four times per step and store the activations.

    torch_reaction_diffusion.py --integrator loop                   times forward and gradient
    torch_reaction_diffusion.py --weights W --input IN --output OUT   evaluates a case, by greybox's names
"""
import torch
import torch.nn.functional as F

import peer
import reaction_diffusion as workload
from reaction_diffusion import DT, SPACING
from torch_integrators import INTEGRATORS


def rim(x):
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


def conv(w, x):
    layers = len(w) // 2
    for i in range(layers):
        x = F.conv2d(rim(x), w[f"g.{i}.weight"], w[f"g.{i}.bias"])
        if i + 1 < layers:
            x = F.leaky_relu(x, 0.01)
    return x


def laplacian(s):
    p = rim(s)
    around = p[..., :-2, 1:-1] + p[..., 2:, 1:-1] + p[..., 1:-1, :-2] + p[..., 1:-1, 2:]
    return (around - 4 * s) / SPACING**2


def objective(a, w, s0, theta, y):
    """The loss, and the states [B, T+1, C, H, W]."""
    rates = theta[:, :, None, None]
    states = INTEGRATORS[a.integrator](lambda _, s: rates * laplacian(s) + conv(w, s), s0, DT, y.shape[1]).transpose(0, 1)
    return F.mse_loss(states[:, 1:], y), states


def arguments(a, w, case):
    precision = torch.float64 if a.precision == "f64" else torch.float32
    cast = lambda arrays: {name: torch.tensor(value, dtype=precision) for name, value in arrays.items()}
    case = cast(case)
    w = {name: value.requires_grad_() for name, value in cast(w).items()}
    s0 = case["s0"].contiguous(memory_format=torch.channels_last)        # a fifth less time
    return w, s0, case["theta"], case["y"]


def evaluate(a, w, case):
    w, s0, theta, y = arguments(a, w, case)
    loss, states = objective(a, w, s0.requires_grad_(), theta.requires_grad_(), y)
    loss.backward()
    out = {"states": states, "y_hat": states[:, 1:], "loss": loss, "objective": loss,
           "grad_s0": s0.grad, "grad_theta": theta.grad} | {f"grad/{name}": value.grad for name, value in w.items()}
    return {name: value.detach().numpy() for name, value in out.items()}


def measure(a, w, case):
    w, s0, theta, y = arguments(a, w, case)

    @torch.no_grad()
    def forward():
        return objective(a, w, s0, theta, y)[0].item()

    def gradient():
        return torch.autograd.grad(objective(a, w, s0, theta, y)[0], list(w.values()))

    yield "forward", peer.repeated(forward, a.repeats, warm_up=1), 1
    yield "gradient", peer.repeated(gradient, a.repeats, warm_up=1), 3


if __name__ == "__main__":
    torch.set_num_threads(peer.threads())
    parser = workload.options(__doc__)
    parser.add_argument("--integrator", choices=list(INTEGRATORS), default="torchdiffeq")
    workload.main(parser, lambda a: f"torch-cpu {a.integrator}", evaluate, measure)
