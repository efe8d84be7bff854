//! `[grid]`: what the TOML says about the cells of a field model.

use super::error::ModelError;
use crate::program::{Boundary, Grid};
use serde::Deserialize;

/// `[grid]`: the cells of a field model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridSpec {
    /// `[rows, columns]`, or `[cells]` in one dimension.
    pub size: Vec<usize>,
    /// Distance of neighbouring cells, the same along both axes.
    pub spacing: f64,
    /// What stencils see beyond the rim.
    #[serde(default)]
    pub boundary: Boundary,
}

/// Stencils and kernels reach one cell to each side.
const SMALLEST_AXIS: usize = 3;

impl GridSpec {
    /// The grid, if it is one.
    pub fn grid(&self) -> Result<Grid, ModelError> {
        let (rows, columns) = match self.size[..] {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            _ => {
                let message = format!("{} axes", self.size.len());
                let remedy = "write size = [rows, columns], or [cells] in one dimension";
                return Err(ModelError::setting("grid.size", message, remedy));
            }
        };
        if let Some(small) = self.size.iter().find(|axis| **axis < SMALLEST_AXIS) {
            let message = format!("{small} cells along an axis: stencils reach one cell to each side");
            return Err(ModelError::setting(
                "grid.size",
                message,
                format!("use at least {SMALLEST_AXIS} cells along every axis"),
            ));
        }
        if rows.saturating_mul(columns) > 1 << 24 {
            let message = format!("{rows} x {columns} cells are more than 2^24");
            return Err(ModelError::setting("grid.size", message, "use a coarser grid"));
        }
        if !(self.spacing.is_finite() && self.spacing > 0.0) {
            let message = format!("the spacing is {}", self.spacing);
            return Err(ModelError::setting("grid.spacing", message, "use a positive number: the distance of cells"));
        }
        let dimensions = self.size.len();
        Ok(Grid { rows, columns, dimensions, spacing: self.spacing, boundary: self.boundary })
    }
}
