//! Networks: layers of `Affine` and activations, and the gradient of a scalar network.

use crate::graph::{Function, Op};
use crate::program::{Builder, View, WeightId, WeightTable, sweep};
use serde::Deserialize;
use std::sync::Arc;

/// Architecture of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// Multilayer perceptron; the last layer is linear.
    Mlp,
    /// ∇ₓ of a scalar multilayer perceptron with respect to its inputs.
    Gradient,
}

/// Activation of hidden layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// tanh x
    #[default]
    Tanh,
    /// max(x, 0), derivative 0 at 0
    Relu,
    /// x for x > 0, else 0.01 x
    LeakyRelu,
    /// x for x > 0, else e^x − 1
    Elu,
    /// ln(1 + e^x)
    Softplus,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// sin x
    Sin,
    /// x
    Identity,
}

impl Activation {
    /// All activations, for tests and help texts.
    pub const ALL: [Activation; 8] = [
        Activation::Tanh,
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Elu,
        Activation::Softplus,
        Activation::Sigmoid,
        Activation::Sin,
        Activation::Identity,
    ];

    /// The activation as a function of one input.
    pub fn function(self) -> Function {
        Function::build(1, |g, x| {
            let x = x[0];
            let zero = g.constant(0.0);
            let y = match self {
                Activation::Tanh => g.unary(Op::Tanh, x),
                Activation::Softplus => g.unary(Op::Softplus, x),
                Activation::Sigmoid => g.unary(Op::Sigmoid, x),
                Activation::Sin => g.unary(Op::Sin, x),
                Activation::Identity => x,
                Activation::Relu => {
                    let positive = g.less(zero, x);
                    g.select(positive, x, zero)
                }
                Activation::LeakyRelu => {
                    let slope = g.constant(0.01);
                    let (positive, small) = (g.less(zero, x), g.mul(slope, x));
                    g.select(positive, x, small)
                }
                Activation::Elu => {
                    let one = g.constant(1.0);
                    let (positive, e) = (g.less(zero, x), g.unary(Op::Exp, x));
                    let small = g.sub(e, one);
                    g.select(positive, x, small)
                }
            };
            vec![y]
        })
    }
}

/// A network of a model: its layer sizes and where its weights lie.
#[derive(Clone, Debug)]
pub struct Network {
    /// Name, as the argument of rhs or observe.
    pub name: String,
    /// Architecture.
    pub kind: NetworkKind,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Widths from input to output; a gradient network ends in 1.
    pub sizes: Vec<usize>,
    /// Weight and bias of each layer.
    pub layers: Vec<(WeightId, Option<WeightId>)>,
}

impl Network {
    /// Declares a network's weights. `inputs` is the width of its features, `outputs` of its result.
    pub fn declare(
        table: &mut WeightTable,
        name: &str,
        spec: &super::NetSpec,
        inputs: usize,
        outputs: usize,
    ) -> Network {
        let last = if spec.kind == NetworkKind::Gradient { 1 } else { outputs };
        let sizes: Vec<usize> = [inputs].into_iter().chain(spec.hidden.iter().copied()).chain([last]).collect();
        let layers = sizes
            .windows(2)
            .enumerate()
            .map(|(layer, pair)| {
                let weight = table.add(format!("{name}.{layer}.weight"), pair[1], pair[0], false);
                let bias = spec.bias.then(|| table.add(format!("{name}.{layer}.bias"), pair[1], 1, true));
                (weight, bias)
            })
            .collect();
        Network { name: name.to_string(), kind: spec.kind, activation: spec.activation, sizes, layers }
    }

    /// Width of the result.
    pub fn outputs(&self) -> usize {
        match self.kind {
            NetworkKind::Mlp => self.sizes[self.sizes.len() - 1],
            NetworkKind::Gradient => self.sizes[0],
        }
    }

    /// Multiply–adds of one evaluation.
    pub fn multiply_adds(&self) -> usize {
        let layers: usize = self.sizes.windows(2).map(|p| p[0] * p[1]).sum();
        if self.kind == NetworkKind::Gradient { 2 * layers } else { layers }
    }

    /// Appends the network to a program.
    pub fn build(&self, builder: &mut Builder, x: View) -> View {
        let start = builder.len();
        let y = self.perceptron(builder, x);
        match self.kind {
            NetworkKind::Mlp => y,
            NetworkKind::Gradient => {
                let end = builder.len();
                let one = builder.constant(vec![1.0]);
                sweep(builder, start..end, &[(y, one)], &[x], false)[0]
            }
        }
    }

    fn perceptron(&self, builder: &mut Builder, mut x: View) -> View {
        let activation = Arc::new(self.activation.function());
        for (layer, (weight, bias)) in self.layers.iter().enumerate() {
            x = builder.affine(*weight, *bias, self.sizes[layer + 1], x);
            if layer + 1 < self.layers.len() && self.activation != Activation::Identity {
                x = builder.each(activation.clone(), &[x]);
            }
        }
        x
    }
}
