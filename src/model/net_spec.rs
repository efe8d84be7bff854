//! `[net]`: what the TOML says about a network.

use super::error::ModelError;
use super::limits::{MOST_LAYERS, MOST_WIDTH, too_many};
use super::network::{Activation, Encodes, LastLayer, NetworkKind, Scope};
use crate::program::Boundary;
use serde::Deserialize;

/// `[net.NAME]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    /// mlp, gradient or conv.
    pub kind: NetworkKind,
    /// Widths of the hidden layers of mlp and gradient.
    #[serde(default)]
    pub hidden: Vec<usize>,
    /// Channels of the hidden layers of conv.
    #[serde(default)]
    pub channels: Vec<usize>,
    /// Activation of the hidden layers.
    #[serde(default)]
    pub activation: Activation,
    /// Whether layers have biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// What the last layer starts from: `uniform` draws, or `zero`, so that training starts from physics alone.
    #[serde(default)]
    pub start: LastLayer,
    /// What the network makes of the observed window, in place of being a part of rhs or observe.
    pub encodes: Option<Encodes>,
    /// On grids: evaluated in every cell (the default) or once per sample.
    pub scope: Option<Scope>,
    /// What a conv sees beyond the rim; the grid's boundary if absent.
    pub padding: Option<Boundary>,
    /// Whether the hidden layers of a conv are normalised per sample and channel, before their activation.
    #[serde(default)]
    pub normalise: bool,
}

fn yes() -> bool {
    true
}

impl NetSpec {
    /// Checks what can be checked without the WGSL.
    pub(super) fn check(&self, name: &str, on_grid: bool) -> Result<(), ModelError> {
        let refuse = |key: &str, message: &str, remedy: &str| {
            Err(ModelError::setting(format!("net.{name}{key}"), message, remedy))
        };
        for (key, widths) in [("hidden", &self.hidden), ("channels", &self.channels)] {
            if let Some(layer) = widths.iter().position(|w| *w == 0) {
                return refuse(&format!(".{key}[{layer}]"), "a layer of width 0", "use widths of at least 1");
            }
        }
        for (key, widths) in [("hidden", &self.hidden), ("channels", &self.channels)] {
            if let Some((message, remedy)) = too_many(widths.len(), MOST_LAYERS) {
                return refuse(&format!(".{key}"), &format!("layers: {message}"), &remedy);
            }
            let wide = widths.iter().enumerate().find_map(|(layer, w)| Some((layer, too_many(*w, MOST_WIDTH)?)));
            if let Some((layer, (message, remedy))) = wide {
                return refuse(&format!(".{key}[{layer}]"), &message, &remedy);
            }
        }
        let conv = self.kind == NetworkKind::Conv;
        if self.encodes.is_some() && on_grid {
            return refuse(".encodes", "encoders of fields are not supported", "remove it, or the [grid] section");
        }
        if self.encodes.is_some() && self.kind != NetworkKind::Mlp {
            return refuse(".encodes", "only a perceptron encodes", "use kind = \"mlp\"");
        }
        if conv && !on_grid {
            return refuse(".kind", "a convolution needs a grid", "add a [grid] section, or use kind = \"mlp\"");
        }
        if self.scope.is_some() && !on_grid {
            return refuse(".scope", "there are no cells without a grid", "remove scope, or add a [grid] section");
        }
        if conv && !self.hidden.is_empty() {
            return refuse(".hidden", "a convolution has channels", "write channels = [...] for its hidden layers");
        }
        if conv && self.scope == Some(Scope::Sample) {
            return refuse(".scope", "a convolution works on cells", "remove scope, or use kind = \"mlp\"");
        }
        if !conv && !self.channels.is_empty() {
            return refuse(
                ".channels",
                "only a convolution has channels",
                "write hidden = [...] for the hidden layers",
            );
        }
        if !conv && (self.padding.is_some() || self.normalise) {
            let key = if self.normalise { ".normalise" } else { ".padding" };
            return refuse(key, "only a convolution has this", "remove it, or use kind = \"conv\"");
        }
        Ok(())
    }
}
