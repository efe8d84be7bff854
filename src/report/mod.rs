//! Figures and the report page of a study.
//!
//! A figure is plain data ([`LineFigure`], [`HeatMap`], [`SliceMatrix`], [`Comparison`], [`Trajectories`], [`FilmStrip`], [`TrainingCurve`], [`Landscape`]) that draws itself as
//! an SVG string through [`Draw`]; [`Report`] puts figures, the answer and everything needed to repeat the study on one
//! self-contained HTML page. Figures never fail on the values they are given: whatever cannot be drawn (NaN, infinite, not
//! positive on a logarithmic axis) is left out of lines and shown in grey in heat maps.

mod answer;
mod axis;
mod canvas;
mod comparison;
mod contour;
mod error;
mod film;
mod grid;
mod heat;
mod html;
mod landscape;
mod legend;
mod lines;
mod marks;
mod number;
mod page;
mod pairs;
mod palette;
mod panel;
mod plane;
mod slices;
mod style;
mod training;
mod trajectories;

pub use answer::EstimateRow;
pub use comparison::{Comparison, Side};
pub use contour::contours;
pub use error::ReportError;
pub use film::FilmStrip;
pub use heat::{Colours, HeatAxis, HeatMap, Levels, ZeroSet};
pub use html::{Figure, Report, Section, Table};
pub use landscape::{Ingredient, Landscape};
pub use lines::{Band, LineFigure, Plot, Series};
pub use marks::{Mark, MarkKind, PointMark};
pub use number::{duration, number};
pub use pairs::{PairFigure, Region};
pub use slices::{SliceMatrix, SpaceMark};
pub use style::Size;
pub use training::TrainingCurve;
pub use trajectories::{Example, Trace, Trajectories};

use crate::store;
use std::path::Path;

/// Anything that draws itself as an SVG document.
pub trait Draw {
    /// The figure as the text of a complete SVG document.
    fn svg(&self) -> Result<String, ReportError>;

    /// Draws the figure, writes it to `path` (missing folders are made) and returns the same text, ready for [`Figure::svg`].
    fn save(&self, path: &Path) -> Result<String, ReportError> {
        let text = self.svg()?;
        write_text(path, &text)?;
        Ok(text)
    }
}

/// Writes a text file and makes the folders above it.
fn write_text(path: &Path, text: &str) -> Result<(), ReportError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        store::make_folder(folder)?;
    }
    Ok(store::write(path, text.as_bytes())?)
}
