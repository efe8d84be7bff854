//! greybox trains hybrid models — known physics completed by a network — and maps how well the physics parameters are
//! identified. See `ARCHITECTURE.md` for the layers; each module uses only those listed above it.

pub mod rng;

pub mod store;

pub mod graph;

pub mod physics;

pub mod program;

pub mod model;

pub mod solve;

pub mod device;

pub mod data;

pub mod train;

pub mod study;

pub mod report;

pub mod cli;
