//! The windows of a transductive run.

use crate::device::{DeviceError, Start, Trajectories};

/// Training and test windows as one set, the test windows without their observations after the first: the loss counts
/// training windows only, penalties count both. An error if they differ in length, times or where they start.
pub fn joined(train: &Trajectories, test: &Trajectories) -> Result<Trajectories, DeviceError> {
    let both = |a: &[f64], b: &[f64]| [a, b].concat();
    let refuse = |what: &str| {
        let message = format!("training and test windows differ in {what}");
        Err(DeviceError::shape("windows", message, "cut both from episodes in the same way"))
    };
    if (train.steps, &train.times) != (test.steps, &test.times) {
        return refuse("their times");
    }
    let start = match (&train.start, &test.start) {
        (Start::States(a), Start::States(b)) => Start::States(both(a, b)),
        (Start::Observations(a), Start::Observations(b)) => Start::Observations(both(a, b)),
        _ => return refuse("what they start from"),
    };
    let each = |t: &Trajectories| t.targets.as_ref().map_or(0, |y| y.len() / t.count.max(1));
    let hidden = vec![f64::NAN; each(train) * test.count];
    // Empty start times stand for zeros.
    let times = |t: &Trajectories| if t.t0.is_empty() { vec![0.0; t.count] } else { t.t0.clone() };
    Ok(Trajectories {
        count: train.count + test.count,
        start,
        inputs: both(&train.inputs, &test.inputs),
        t0: both(&times(train), &times(test)),
        targets: train.targets.as_ref().map(|y| both(y, &hidden)),
        ..train.clone()
    })
}
