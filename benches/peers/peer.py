"""What the peers of every workload share: command line, timing, and lines as `greybox bench --json` prints them."""
import argparse, json, os, statistics, time

import numpy as np
from safetensors.numpy import load_file, save_file


def options(description):
    """The command line that all peers understand; a workload adds its own options."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = lambda text: [int(n) for n in text.split(",")]
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--hidden", type=sizes, help="widths or channels of the hidden layers")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object per line instead of text")
    parser.add_argument("--weights", metavar="IN.safetensors", help="of a case; default: a random one")
    parser.add_argument("--input", metavar="IN.npz")
    parser.add_argument("--output", metavar="OUT.npz", help="write values and gradients instead of timing")
    return parser


def timed(call):
    """Milliseconds of one call."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def repeated(call, repeats, warm_up=3):
    """Milliseconds of each call, after some that do not count."""
    for _ in range(warm_up):
        call()
    return [timed(call) for _ in range(repeats)]


def make(parser, random_case, files):
    """Writes a random case as `greybox eval` reads it; `files(a)` is the model's TOML and WGSL."""
    parser.add_argument("--make", metavar="DIR", required=True,
                        help="write model.toml, physics.wgsl, weights.safetensors and in.npz")
    parser.add_argument("--method", choices=["rk4", "rk38"], default="rk4", help="that model.toml names")
    a = parser.parse_args()
    w, case = random_case(a)
    os.makedirs(a.make, exist_ok=True)
    path = lambda name: os.path.join(a.make, name)
    for name, text in zip(("model.toml", "physics.wgsl"), files(a)):
        with open(path(name), "w") as file:
            file.write(text)
    save_file(w, path("weights.safetensors"))
    np.savez(path("in.npz"), **case)


def threads():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def main(parser, workload, device, random_case, evaluate, measure, flops):
    """Does what the command line asks.

    `device` names the peer in its lines. With `a` the command line, `w` the weights and `case` the arrays of IN.npz:
    `random_case(a)` is `(w, case)`; `evaluate(a, w, case)` everything that `greybox eval` writes; `measure(a, w, case)`
    yields phase, milliseconds of each repeat, and the factor of work over a forward pass, which has `flops(w, case)`.
    """
    a = parser.parse_args()
    if (a.weights is None) != (a.input is None):
        parser.error("--weights and --input go together")

    if a.weights:
        w, case = load_file(a.weights), dict(np.load(a.input))
    else:
        w, case = random_case(a)
    if a.output:
        np.savez(a.output, **{name: np.asarray(value) for name, value in evaluate(a, w, case).items()})
        return
    batch = case["y"].shape[0]
    for phase, ms, work in measure(a, w, case):
        median = statistics.median(ms)
        line = {"workload": workload, "device": device(a), "phase": phase, "batch": batch,
                "ms": median, "ms_min": min(ms), "ms_max": max(ms),
                "trajectories_per_s": batch / median * 1e3 if work else None,
                "gflops": work * flops(w, case) / median / 1e6 if work else None}
        if a.json:
            print(json.dumps(line), flush=True)
        else:
            rate = f"  {line['trajectories_per_s']:12.0f} trajectories/s  {line['gflops']:7.1f} Gflop/s" if work else ""
            print(f"{phase:9} batch {batch:6}  {median:9.2f} ms  ({min(ms):.2f} .. {max(ms):.2f}){rate}", flush=True)
