//! One axis: which values it spans, where they lie, which ticks it shows.

use super::number::{number, power_of_ten, tick};

/// Values beyond this magnitude are treated as not finite: differences of two of them would overflow.
const LARGEST: f64 = 1e300;

/// How values are spaced along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Log10,
}

impl Scale {
    pub fn of(logarithmic: bool) -> Scale {
        if logarithmic { Scale::Log10 } else { Scale::Linear }
    }

    /// The position of a value along the axis, before it is stretched to pixels; `None` for values that cannot be shown.
    pub fn place(self, value: f64) -> Option<f64> {
        match self {
            _ if !value.is_finite() || value.abs() > LARGEST => None,
            Scale::Linear => Some(value),
            Scale::Log10 if value < 1.0 / LARGEST => None,
            Scale::Log10 => Some(value.log10()),
        }
    }
}

/// An axis with its limits, which are kept as placed by the scale (the exponents of a logarithmic axis).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    pub scale: Scale,
    pub low: f64,
    pub high: f64,
    /// Whether any value could be shown; the limits are arbitrary if not.
    pub filled: bool,
}

impl Axis {
    /// The axis that just holds the values that can be shown. A single value gets room on both sides.
    pub fn fit(scale: Scale, values: impl IntoIterator<Item = f64>) -> Axis {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for placed in values.into_iter().filter_map(|value| scale.place(value)) {
            low = low.min(placed);
            high = high.max(placed);
        }
        if low > high {
            return Axis { scale, low: 0.0, high: 1.0, filled: false };
        }
        // Differences below the resolution of the numbers are noise, not a shape worth magnifying.
        let largest = low.abs().max(high.abs());
        if high - low <= 1e-11 * largest || high - low < 1.0 / LARGEST {
            let room = match scale {
                Scale::Log10 => 0.5,
                Scale::Linear if largest < 1e-290 => 1.0,
                Scale::Linear => 0.1 * largest,
            };
            (low, high) = (low - room, high + room);
        }
        Axis { scale, low, high, filled: true }
    }

    /// The same axis with a margin of 6 % at both ends. Values of one sign keep to their side of zero.
    pub fn padded(self) -> Axis {
        let room = 0.06 * (self.high - self.low);
        let (mut low, mut high) = (self.low - room, self.high + room);
        if self.scale == Scale::Linear && self.low >= 0.0 {
            low = low.max(0.0);
        }
        if self.scale == Scale::Linear && self.high <= 0.0 {
            high = high.min(0.0);
        }
        Axis { low, high, ..self }
    }

    /// The same axis, started or ended at zero where the values lie on one side of it (logarithmic axes have no zero).
    pub fn with_zero(self) -> Axis {
        match self.scale {
            Scale::Log10 => self,
            Scale::Linear if self.low >= 0.0 => Axis { low: 0.0, high: self.high * 1.06, ..self },
            Scale::Linear if self.high <= 0.0 => Axis { low: self.low * 1.06, high: 0.0, ..self },
            Scale::Linear => self.padded(),
        }
    }

    /// Extends the axis to a value unless that lies more than a quarter of its length outside.
    pub fn reaching(self, value: f64) -> Axis {
        match (self.fraction(value), self.scale.place(value)) {
            (Some(fraction), Some(placed)) if (-0.25..=1.25).contains(&fraction) => {
                Axis { low: self.low.min(placed), high: self.high.max(placed), ..self }
            }
            _ => self,
        }
    }

    /// Where a value lies: 0 at the low end, 1 at the high end, beyond for values outside.
    pub fn fraction(&self, value: f64) -> Option<f64> {
        Some((self.scale.place(value)? - self.low) / (self.high - self.low))
    }

    /// Where the end of an interval lies, moved to the nearer end of the axis if outside; `None` only for NaN.
    pub fn clamped(&self, value: f64) -> Option<f64> {
        if value.is_nan() {
            return None;
        }
        let beyond = if value > 0.0 && value > LARGEST.recip() { 1.0 } else { 0.0 };
        Some(self.fraction(value).unwrap_or(beyond).clamp(0.0, 1.0))
    }

    /// About `target` ticks: the fraction along the axis and the label, which may be empty for minor ticks of a logarithm.
    pub fn ticks(&self, target: usize) -> Vec<(f64, String)> {
        let target = target.clamp(2, 20);
        let placed = match self.scale {
            Scale::Linear => self.linear_ticks(target),
            Scale::Log10 if self.high - self.low < 1.2 => self.narrow_ticks(target),
            Scale::Log10 => self.decade_ticks(target),
        };
        let length = self.high - self.low;
        placed.into_iter().map(|(at, label)| (((at - self.low) / length).clamp(0.0, 1.0), label)).collect()
    }

    fn linear_ticks(&self, target: usize) -> Vec<(f64, String)> {
        let step = nice_step((self.high - self.low) / target as f64);
        let largest = self.low.abs().max(self.high.abs());
        multiples(self.low, self.high, step).map(|value| (value, tick(value, step, largest))).collect()
    }

    /// Within about one decade, ticks are nice values and not exponents.
    fn narrow_ticks(&self, target: usize) -> Vec<(f64, String)> {
        let (low, high) = (10f64.powf(self.low), 10f64.powf(self.high));
        let step = nice_step((high - low) / target as f64);
        let ticks: Vec<_> = multiples(low, high, step)
            .filter(|value| *value > 0.0)
            .map(|value| (value.log10(), tick(value, step, high)))
            .collect();
        if ticks.is_empty() { vec![(0.5 * (self.low + self.high), number((low * high).sqrt()))] } else { ticks }
    }

    fn decade_ticks(&self, target: usize) -> Vec<(f64, String)> {
        let decades = self.high - self.low;
        let every = (decades / target as f64).ceil().max(1.0) as i32;
        let (first, last) = (self.low.ceil() as i32, self.high.floor() as i32);
        let mut ticks = Vec::new();
        for exponent in (first..=last).filter(|exponent| exponent.rem_euclid(every) == 0) {
            ticks.push((f64::from(exponent), power_of_ten(exponent)));
        }
        if decades < 2.5 {
            for exponent in first - 1..=last {
                for factor in [2.0, 5.0] {
                    let at = f64::from(exponent) + f64::log10(factor);
                    if (self.low..=self.high).contains(&at) {
                        ticks.push((at, number(factor * 10f64.powi(exponent))));
                    }
                }
            }
        }
        ticks
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= raw * 0.999).unwrap_or(raw)
}

/// The multiples of `step` from `low` to `high`, at most 64.
fn multiples(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step - 1e-6).ceil();
    (0..64).map(move |index| (first + f64::from(index)) * step).take_while(move |value| *value <= high + step * 1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_and_an_empty_axis_have_room() {
        for values in [vec![], vec![f64::NAN], vec![0.0], vec![3.0, 3.0], vec![-1e299], vec![1e-305], vec![f64::MAX]] {
            for scale in [Scale::Linear, Scale::Log10] {
                let axis = Axis::fit(scale, values.iter().copied()).padded();
                assert!(axis.high > axis.low, "{values:?}");
                assert!(axis.ticks(5).iter().all(|(at, _)| at.is_finite()), "{values:?}");
            }
        }
    }

    #[test]
    fn ticks_are_round_values() {
        let labels = |axis: Axis| axis.ticks(5).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(Axis::fit(Scale::Linear, [0.0, 10.0])), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(Axis::fit(Scale::Log10, [1e-4, 1e-1])), ["10⁻⁴", "10⁻³", "0.01", "0.1"]);
        assert_eq!(labels(Axis::fit(Scale::Log10, [2.0, 4.0])), ["2.0", "2.5", "3.0", "3.5", "4.0"]);
    }

    #[test]
    fn intervals_end_at_the_axis() {
        let axis = Axis::fit(Scale::Log10, [1.0, 100.0]);
        assert_eq!(axis.clamped(f64::INFINITY), Some(1.0));
        assert_eq!(axis.clamped(-3.0), Some(0.0));
        assert_eq!(axis.clamped(10.0), Some(0.5));
        assert_eq!(axis.clamped(f64::NAN), None);
    }
}
