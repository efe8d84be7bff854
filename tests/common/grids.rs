//! Texts of models on grids, and random cases of them.

use super::Case;
use greybox::model::Model;

/// `[grid]` and the rest of a model file.
pub fn toml(size: &str, boundary: &str, method: &str, dt: f64, rest: &str) -> String {
    format!(
        "[model]\nphysics = \"test.wgsl\"\n[grid]\nsize = {size}\nspacing = 0.4\nboundary = \"{boundary}\"\n\
         [solver]\nmethod = \"{method}\"\ndt = {dt}\n{rest}"
    )
}

/// Every boundary.
pub const BOUNDARIES: [&str; 3] = ["replicate", "periodic", "zero"];

/// Everything that a field model may be composed of: stencils, fluxes, networks of all kinds and scopes, inputs, time.
pub const COMPOSED: &str = "
struct State { u: f32, v: f32 }
struct Theta { a: f32, b: f32 }
struct Input { wind: f32 }
struct Fields { flux: f32, potential: f32 }
struct Output { sum: f32, slope: f32, learned: f32 }
fn physics(s: State, near: Near, u: Input, theta: Theta, t: f32) -> State {
    return State(theta.a * near.laplacian.u - u.wind * near.dx.u, theta.b * near.laplacian.v + 0.1 * cos(t) * s.u);
}
fn features_cell(s: State, near: Near, f: State, theta: Theta) -> array<f32, 4> {
    return array<f32, 4>(s.u, near.right.v - near.left.v, stopgrad(f.u), 10.0 * theta.a);
}
fn features_conv(s: State, t: f32) -> array<f32, 3> { return array<f32, 3>(s.u, s.u * s.v, t); }
fn features_sample(theta: Theta, u: Input, t: f32) -> array<f32, 3> { return array<f32, 3>(10.0 * theta.a, u.wind, t); }
fn features_see(s: State) -> array<f32, 1> { return array<f32, 1>(s.u); }
fn fields(s: State, near: Near, theta: Theta, cell: array<f32, 2>) -> Fields {
    return Fields(s.u * (cell[0] + theta.b), s.v * s.v + 0.02 * near.laplacian.u);
}
fn rhs(s: State, near: Near, f: State, conv: array<f32, 2>, sample: array<f32, 2>, own: Fields, around: NearFields) -> State {
    var rate = State(f.u - around.dx.flux + conv[0], f.v + sample[0] * near.laplacian.v + 0.02 * around.laplacian.potential);
    if (s.u > 0.2) { rate.u -= sqrt(s.u) * sample[1]; } else { rate.u += conv[1] * own.flux; }
    return rate;
}
fn observe(s: State, near: Near, theta: Theta, see: array<f32, 1>) -> Output {
    return Output(s.u + theta.a * s.v, near.dx.u, see[0] * s.v);
}";

/// Its parameters, networks and penalties.
pub const NETS: &str = "
[theta]
a = { bounds = [0.01, 0.1] }
b = { bounds = [0.01, 0.1] }
[net.cell]
kind = \"mlp\"
hidden = [3]
[net.conv]
kind = \"conv\"
channels = [3]
activation = \"softplus\"
[net.sample]
kind = \"mlp\"
scope = \"sample\"
hidden = [4]
activation = \"sin\"
[net.see]
kind = \"mlp\"
hidden = [2]
[[penalty]]
kind = \"balance\"
weight = 0.01
[[penalty]]
kind = \"orthogonality\"
weight = 0.01
";

/// Diffusion of one component, decay of the other.
pub const DIFFUSION: &str = "struct State { u: f32, v: f32 }
    fn physics(s: State, near: Near) -> State { return State(0.1 * near.laplacian.u, -s.v); }";

/// A convolution with a penalty.
pub fn convolution(channels: &str, activation: &str, normalise: bool) -> String {
    format!(
        "[net.g]\nkind = \"conv\"\nchannels = {channels}\nactivation = \"{activation}\"\nnormalise = {normalise}\n\
         [[penalty]]\nkind = \"log_least_action\"\nweight = 0.1\n"
    )
}

/// Waves driven by the gradient of a scalar network in every cell.
pub const GRADIENT: &str = "struct State { q: f32, p: f32 }
    fn physics(s: State, near: Near) -> State { return State(s.p, 0.2 * near.laplacian.q); }
    fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.q, s.p); }
    fn rhs(f: State, h: array<f32, 2>) -> State { return State(f.q + h[1], f.p - h[0]); }";

/// Its network and penalty.
pub const GRADIENT_NET: &str =
    "[net.h]\nkind = \"gradient\"\nhidden = [5, 4]\n[[penalty]]\nkind = \"least_action\"\nweight = 0.1\n";

/// Small states and weights, so that nothing grows until rounding, or one term alone, decides a comparison.
pub fn small(model: &Model, count: usize, steps: usize, seed: u64) -> Case {
    let mut case = Case::random(model, count, steps, seed, 0.4);
    case.weights.values.iter_mut().for_each(|w| *w *= 0.4);
    case
}
