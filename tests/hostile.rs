//! Hostile input: a corpus of inputs that once did harm or do something unusual, random changes of it, and inputs made to
//! exhaust memory or time. `scripts/fuzz` does the same without end.

#[path = "hostile/bombs.rs"]
mod bombs;
#[path = "hostile/licences.rs"]
mod licences;
#[path = "hostile/replay.rs"]
mod replay;
#[path = "hostile/targets.rs"]
mod targets;
