"""Integrators in PyTorch, differentiated by autograd: states [T+1, ...] from the first state s, in `steps` steps of dt."""
import torch
from torchdiffeq import odeint


def loop(rhs, s, dt, steps):
    """Classic rk4, written as a loop."""
    states = [s]
    for _ in range(steps):
        k1 = rhs(0.0, s)
        k2 = rhs(0.0, s + dt / 2 * k1)
        k3 = rhs(0.0, s + dt / 2 * k2)
        k4 = rhs(0.0, s + dt * k3)
        s = s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states.append(s)
    return torch.stack(states)


def three_eighths(rhs, s, dt, steps):
    """What torchdiffeq calls rk4: Kutta's 3/8 rule."""
    return odeint(rhs, s, dt * torch.arange(steps + 1, dtype=s.dtype), method="rk4")


INTEGRATORS = {"torchdiffeq": three_eighths, "loop": loop}
