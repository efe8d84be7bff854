//! Data sets: from files on disk to windows that a training step can use.
//!
//! The path of a value is: a file ([`npz`], [`csv`]) becomes a [`table::Table`] of named arrays; the `[data]` table of a
//! study ([`config::DataConfig`]) says which column is which member, and [`episode::load`] turns the rows into
//! [`episode::Episode`]s (unit conversion, missing rows, resampling, the steps used); [`split`] shares the episodes out;
//! [`window`] cuts each share into windows; [`dataset::Dataset`] holds the result.
//!
//! NaN means *not observed* in outputs. It is refused in inputs, times and the observed past of a window, where a number
//! is needed. Infinite values are refused everywhere.

pub mod config;
pub mod csv;
pub mod dataset;
pub mod episode;
pub mod error;
mod layout;
mod npy_header;
pub mod npz;
mod series;
pub mod simulate_config;
pub mod source;
pub mod split;
pub mod table;
pub mod window;

pub use config::{DataConfig, WindowConfig};
pub use dataset::Dataset;
pub use episode::{Episode, load};
pub use error::DataError;
pub use npz::{Array, Arrays, Dim, Element};
pub use simulate_config::SimulateConfig;
pub use split::Split;
pub use window::Windows;
