//! The GPU device: adapters.
