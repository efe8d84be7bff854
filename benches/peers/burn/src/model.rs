//! The pendulum of `../pendulum.py` in Burn's tensors, and its objective by classic rk4.

use burn::tensor::{Device, Tensor, activation::leaky_relu, module::linear};

use crate::files::Case;

const DT: f64 = 0.05;
const SLOPE: f64 = 0.01;
pub const PENALTY_WEIGHT: f64 = 1e-2;
pub const STAGES: usize = 4;

/// A layer: weight \[in, out\], the order Burn's own layers have, and bias \[out\].
pub struct Layer {
    pub weight: Tensor<2>,
    pub bias: Tensor<1>,
}

/// What the objective depends on. With `differentiable` the leaves of which gradients are kept: of the layers, and of
/// the initial states and θ if asked for.
pub struct Arguments {
    pub layers: Vec<Layer>,
    /// \[B, 2\]
    pub initial: Tensor<2>,
    /// \[B, 1\]
    pub theta: Tensor<2>,
    /// \[B, T, 3\]
    pub observed: Tensor<3>,
}

impl Arguments {
    pub fn new(case: &Case, device: &Device, of_weights: bool, of_states: bool) -> Self {
        let leaf = |tensor: Tensor<2>, kept: bool| if kept { tensor.require_grad() } else { tensor };
        let layers = case.layers.iter().map(|layer| {
            // The transpose of a view would be read across its rows: the leaf is a matrix of its own.
            let weight = Tensor::from_data(layer.weight_transposed(), device);
            let bias = Tensor::<1>::from_data(layer.bias(), device);
            Layer { weight: leaf(weight, of_weights), bias: if of_weights { bias.require_grad() } else { bias } }
        });
        Self {
            layers: layers.collect(),
            initial: leaf(Tensor::from_data(case.initial(), device), of_states),
            theta: leaf(Tensor::from_data(case.theta(), device), of_states),
            observed: Tensor::from_data(case.observed(), device),
        }
    }
}

/// The objective and what it is made of.
pub struct Evaluation {
    /// After every step: \[B, 2\] each.
    pub states: Vec<Tensor<2>>,
    /// \[B, T, 3\]
    pub predicted: Tensor<3>,
    pub loss: Tensor<1>,
    /// ⟨f, g⟩ of every stage: \[B, stages of all steps\]
    pub dots: Option<Tensor<2>>,
    pub penalty: Option<Tensor<1>>,
    pub objective: Tensor<1>,
}

/// Mean square error of (cos a, sin a, w), and with `orthogonality` 1e-2 |E⟨f, g⟩|.
///
/// Rows \[B, 2\] and joins of them, as in the other peers. With a column per component there is less to slice and join,
/// but Burn 0.22 leaves most of the arithmetic unfused: a third to a half more dispatches.
pub fn evaluate(arguments: &Arguments, orthogonality: bool) -> Evaluation {
    let steps = arguments.observed.dims()[1];
    let mut dots = Vec::new();
    let mut rates = |state: Tensor<2>| {
        let (f, g) = physics_and_network(arguments, state);
        if orthogonality {
            dots.push((f.clone() * g.clone()).sum_dim(1));
        }
        f + g
    };
    let mut state = arguments.initial.clone();
    let (mut states, mut predicted) = (Vec::new(), Vec::new());
    for _ in 0..steps {
        let k1 = rates(state.clone());
        let k2 = rates(state.clone() + k1.clone() * (DT / 2.0));
        let k3 = rates(state.clone() + k2.clone() * (DT / 2.0));
        let k4 = rates(state.clone() + k3.clone() * DT);
        state = state + (k1 + (k2 + k3) * 2.0 + k4) * (DT / 6.0);
        predicted.push(observe(&state));
        states.push(state.clone());
    }
    let predicted = Tensor::stack::<3>(predicted, 1);
    let loss = (predicted.clone() - arguments.observed.clone()).square().mean();
    let dots = orthogonality.then(|| Tensor::cat(dots, 1));
    let penalty = dots.clone().map(|dots| dots.mean().abs());
    let objective = match &penalty {
        Some(penalty) => loss.clone() + penalty.clone() * PENALTY_WEIGHT,
        None => loss.clone(),
    };
    Evaluation { states, predicted, loss, dots, penalty, objective }
}

/// f and g, \[B, 2\] each.
fn physics_and_network(arguments: &Arguments, state: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let seen = observe(&state);
    let sine = seen.clone().narrow(1, 1, 1);
    let f = Tensor::cat(vec![state.narrow(1, 1, 1), sine * arguments.theta.clone() * 1.5], 1);
    let mut x = Tensor::cat(vec![seen, arguments.theta.clone(), f.clone().detach()], 1);
    for (i, layer) in arguments.layers.iter().enumerate() {
        x = linear(x, layer.weight.clone(), Some(layer.bias.clone()));
        if i + 1 < arguments.layers.len() {
            x = leaky_relu(x, SLOPE);
        }
    }
    (f, x)
}

/// (cos a, sin a, w): \[B, 3\].
fn observe(state: &Tensor<2>) -> Tensor<2> {
    let angle = state.clone().narrow(1, 0, 1);
    Tensor::cat(vec![angle.clone().cos(), angle.sin(), state.clone().narrow(1, 1, 1)], 1)
}
