//! Networks: layers of `Affine` or `Conv` and activations, and the gradient of a scalar network.

use crate::graph::{Function, Op};
use crate::program::{Boundary, Builder, Grid, View, WeightId, WeightTable, sweep};
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
    /// Convolutions with kernels of 3 cells per axis; the last layer is linear.
    Conv,
}

/// What the last layer of a network starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LastLayer {
    /// Uniform draws, as all layers.
    #[default]
    Uniform,
    /// Zero: training starts from physics alone.
    Zero,
}

/// What a network makes of the observed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encodes {
    /// The free parameters, each inside its box.
    Theta,
    /// The members of `Latent`.
    Latent,
    /// The initial state: added to what `initial`, or equal names, make of the last observation; alone without these.
    State,
}

/// How often a network on a grid is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// In every cell.
    Cell,
    /// Once per sample; its features see θ, inputs and time.
    Sample,
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
    /// The layers.
    pub layers: Vec<Layer>,
    /// What the last layer starts from.
    pub start: LastLayer,
    /// What a conv sees beyond the rim.
    pub padding: Boundary,
    /// Cells in which it is evaluated: 1 without a grid, or with scope `sample`.
    pub cells: usize,
    /// What it makes of the observed window, if it is an encoder.
    pub encodes: Option<Encodes>,
}

/// Weights of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The matrix or kernel.
    pub weight: WeightId,
    /// The bias, if any.
    pub bias: Option<WeightId>,
    /// Scale and shift of every channel behind the normalisation, if there is one.
    pub norm: Option<[WeightId; 2]>,
}

/// Added to a channel's variance before the root, as the field's libraries do.
const NORM_EPSILON: f64 = 1e-5;

impl Network {
    /// Declares a network's weights. `inputs` is the width of its features, `outputs` of its result.
    pub fn declare(
        table: &mut WeightTable,
        (name, spec): (&str, &super::NetSpec),
        inputs: usize,
        outputs: usize,
        grid: Option<&Grid>,
    ) -> Network {
        let last = if spec.kind == NetworkKind::Gradient { 1 } else { outputs };
        let hidden = spec.hidden.iter().chain(&spec.channels).copied();
        let sizes: Vec<usize> = [inputs].into_iter().chain(hidden).chain([last]).collect();
        let layers = sizes
            .windows(2)
            .enumerate()
            .map(|(layer, pair)| {
                let label = |part: &str| format!("{name}.{layer}.{part}");
                let norm = spec.normalise && layer + 2 < sizes.len();
                let weight = match (spec.kind, grid) {
                    (NetworkKind::Conv, Some(grid)) => {
                        let dimensions = [vec![pair[1], pair[0]], grid.kernel()].concat();
                        table.add_shaped(label("weight"), pair[1], dimensions)
                    }
                    _ => table.add(label("weight"), pair[1], pair[0], false),
                };
                // The normalisation takes the mean away, and a bias with it.
                let bias = (spec.bias && !norm).then(|| table.add(label("bias"), pair[1], 1, true));
                let norm =
                    norm.then(|| ["scale", "shift"].map(|part| table.add_shaped(label(part), pair[1], vec![pair[1]])));
                Layer { weight, bias, norm }
            })
            .collect();
        Network {
            name: name.to_string(),
            kind: spec.kind,
            activation: spec.activation,
            sizes,
            layers,
            start: spec.start,
            padding: spec.padding.or(grid.map(|g| g.boundary)).unwrap_or_default(),
            cells: grid.filter(|_| spec.scope != Some(Scope::Sample)).map_or(1, Grid::cells),
            encodes: spec.encodes,
        }
    }

    /// Width of the result.
    pub fn outputs(&self) -> usize {
        match self.kind {
            NetworkKind::Mlp | NetworkKind::Conv => self.sizes[self.sizes.len() - 1],
            NetworkKind::Gradient => self.sizes[0],
        }
    }

    /// Multiply–adds of one evaluation, in all cells.
    pub fn multiply_adds(&self, table: &WeightTable) -> usize {
        let layers: usize = self.layers.iter().map(|layer| table.shape(layer.weight).len()).sum();
        self.cells * if self.kind == NetworkKind::Gradient { 2 * layers } else { layers }
    }

    /// Appends the network to a program.
    pub fn build(&self, builder: &mut Builder, x: View) -> View {
        let start = builder.len();
        let y = self.feed_forward(builder, x);
        match self.kind {
            NetworkKind::Mlp | NetworkKind::Conv => y,
            NetworkKind::Gradient => {
                let end = builder.len();
                let one = builder.constant(vec![1.0], y.field);
                sweep(builder, start..end, &[(y, one)], &[x], false)[0]
            }
        }
    }

    fn feed_forward(&self, builder: &mut Builder, mut x: View) -> View {
        let activation = Arc::new(self.activation.function());
        for (position, layer) in self.layers.iter().enumerate() {
            let size = self.sizes[position + 1];
            x = match self.kind {
                NetworkKind::Conv => builder.conv(layer.weight, layer.bias, size, x, self.padding),
                _ => builder.affine(layer.weight, layer.bias, size, x),
            };
            if let Some(norm) = layer.norm {
                x = normalise(builder, x, norm, self.cells);
            }
            if position + 1 < self.layers.len() && self.activation != Activation::Identity {
                x = builder.each(activation.clone(), &[x]);
            }
        }
        x
    }
}

/// (x − mean) / √(variance + ε) · scale + shift for every channel of a sample, mean and variance over its cells.
///
/// Unlike the normalisation of a batch, the result of a sample does not depend on who shares its batch: a right-hand side
/// must be a function of the state.
fn normalise(builder: &mut Builder, x: View, norm: [WeightId; 2], cells: usize) -> View {
    let per_cell = 1.0 / cells as f64;
    let function =
        |inputs: usize, body: fn(&mut crate::graph::Graph, &[crate::graph::NodeId], f64) -> crate::graph::NodeId| {
            Arc::new(Function::build(inputs, |g, ids| vec![body(g, ids, per_cell)]))
        };
    let total = builder.sum(x);
    let centre = function(2, |g, ids, per_cell| {
        let factor = g.constant(per_cell);
        let mean = g.mul(ids[1], factor);
        g.sub(ids[0], mean)
    });
    let centred = builder.each(centre, &[x, total]);
    let squared = builder.each(function(1, |g, ids, _| g.mul(ids[0], ids[0])), &[centred]);
    let spread = builder.sum(squared);
    let one = builder.constant(vec![1.0], false);
    let [scale, shift] = norm.map(|id| builder.affine(id, None, x.width, one));
    let slope = function(2, |g, ids, per_cell| {
        let (factor, epsilon) = (g.constant(per_cell), g.constant(NORM_EPSILON));
        let variance = g.mul(ids[0], factor);
        let variance = g.add(variance, epsilon);
        let root = g.unary(Op::Sqrt, variance);
        g.div(ids[1], root)
    });
    let slope = builder.each(slope, &[spread, scale]);
    let line = function(3, |g, ids, _| {
        let scaled = g.mul(ids[0], ids[1]);
        g.add(scaled, ids[2])
    });
    builder.each(line, &[centred, slope, shift])
}
