//! Functions of pairs of points: dependence of one vector on another, with exact derivatives.
//!
//! A point is a vector (a, b) at one sample and observation time; a job's points are chosen evenly, so the cost of the
//! pairs, O(points²), does not grow with the batch.

use serde::Deserialize;

/// How dependence is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// The Hilbert–Schmidt independence criterion.
    Hsic,
    /// The mean squared correlation of components.
    Correlation,
}

/// Between what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Between {
    /// f and g at observation times.
    Correction,
    /// ŷ and y_f, predicted by physics alone.
    Predictions,
}

/// A measure on points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// The measure.
    pub measure: Measure,
    /// What a point consists of.
    pub between: Between,
    /// Most points.
    pub points: usize,
}

/// What the points of a model consist of, one after the other: (f, g), (ŷ, y_f), each if some penalty asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointLayout {
    /// Width of f and of g; 0 if they are not there.
    pub correction: usize,
    /// Width of ŷ and of y_f; 0 if they are not there.
    pub predictions: usize,
    /// Most points.
    pub most: usize,
}

impl PointLayout {
    /// Numbers per point.
    pub fn width(&self) -> usize {
        2 * (self.correction + self.predictions)
    }

    /// First number of a part and width of each of its two vectors.
    fn part(&self, between: Between) -> (usize, usize) {
        match between {
            Between::Correction => (0, self.correction),
            Between::Predictions => (2 * self.correction, self.predictions),
        }
    }

    /// Number of points of a group with so many candidates (samples × observation times).
    pub fn count(&self, candidates: usize) -> usize {
        if self.width() == 0 { 0 } else { candidates.min(self.most) }
    }

    /// The place of a candidate among the points, if it is one of them: point i is candidate ⌊i · candidates / count⌋.
    pub fn place(&self, candidate: usize, candidates: usize) -> Option<usize> {
        let count = self.count(candidates);
        let place = (candidate * count).div_ceil(candidates.max(1));
        (place < count && place * candidates / count == candidate).then_some(place)
    }
}

/// One of the two vectors of all points.
struct Side<'a> {
    points: &'a [f64],
    stride: usize,
    start: usize,
    width: usize,
}

impl Side<'_> {
    fn at(&self, point: usize, component: usize) -> f64 {
        self.points[point * self.stride + self.start + component]
    }

    fn squared_distance(&self, i: usize, j: usize) -> f64 {
        (0..self.width).map(|c| (self.at(i, c) - self.at(j, c)).powi(2)).sum()
    }
}

impl Pairs {
    /// The measure of points `[count, width]` and, times `factor`, its derivatives added to `cotangents`. NaN with fewer
    /// than four points.
    pub fn evaluate(&self, points: &[f64], layout: &PointLayout, factor: f64, cotangents: &mut [f64]) -> f64 {
        let (start, width) = layout.part(self.between);
        let stride = layout.width();
        let side = |offset: usize| Side { points, stride, start: start + offset, width };
        let sides = [side(0), side(width)];
        if points.len() < 4 * stride || width == 0 {
            return f64::NAN;
        }
        match self.measure {
            Measure::Hsic => hsic(&sides, points.len() / stride, factor, cotangents),
            Measure::Correlation => correlation(&sides, points.len() / stride, factor, cotangents),
        }
    }
}

/// A Gaussian kernel matrix exp(−D / 2M), M being the median of D over all pairs, with a zero diagonal.
struct Kernel {
    /// K `[count, count]`.
    values: Vec<f64>,
    /// Sum of each row.
    rows: Vec<f64>,
    /// Sum of all.
    total: f64,
    median: f64,
    /// The pair whose distance is the median.
    median_pair: (usize, usize),
}

impl Kernel {
    fn new(side: &Side, count: usize) -> Kernel {
        let mut distances: Vec<(f64, (usize, usize))> = Vec::with_capacity(count * (count - 1) / 2);
        for i in 0..count {
            for j in i + 1..count {
                distances.push((side.squared_distance(i, j), (i, j)));
            }
        }
        // The lower median is the distance of one pair, so its derivative is exact.
        let middle = (distances.len() - 1) / 2;
        let by_distance =
            |a: &(f64, (usize, usize)), b: &(f64, (usize, usize))| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let mut sorted = distances.clone();
        let (_, median, _) = sorted.select_nth_unstable_by(middle, by_distance);
        let (median, median_pair) = *median;
        let mut values = vec![0.0; count * count];
        for (distance, (i, j)) in distances {
            // More than half of all points equal: no scale, and no dependence to be seen.
            let value = if median > 0.0 { (-distance / (2.0 * median)).exp() } else { 1.0 };
            values[i * count + j] = value;
            values[j * count + i] = value;
        }
        let rows: Vec<f64> = values.chunks_exact(count).map(|row| row.iter().sum()).collect();
        Kernel { total: rows.iter().sum(), values, rows, median, median_pair }
    }
}

/// The unbiased estimator of L. Song et al., "Feature Selection via Dependence Maximization", JMLR 13, 2012, eq. (5):
/// (tr KL + 1ᵀK1 1ᵀL1 / ((m−1)(m−2)) − 2 1ᵀKL1 / (m−2)) / (m(m−3)), diagonals zero.
fn hsic(sides: &[Side; 2], count: usize, factor: f64, cotangents: &mut [f64]) -> f64 {
    let kernels = [Kernel::new(&sides[0], count), Kernel::new(&sides[1], count)];
    let m = count as f64;
    let scale = 1.0 / (m * (m - 3.0));
    let [k, l] = &kernels;
    let trace: f64 = k.values.iter().zip(&l.values).map(|(a, b)| a * b).sum();
    let crossed: f64 = k.rows.iter().zip(&l.rows).map(|(a, b)| a * b).sum();
    let value = scale * (trace + k.total * l.total / ((m - 1.0) * (m - 2.0)) - 2.0 / (m - 2.0) * crossed);
    if factor == 0.0 {
        return value;
    }
    for (own, other, side) in [(k, l, &sides[0]), (l, k, &sides[1])] {
        if own.median == 0.0 {
            continue;
        }
        let constant = other.total / ((m - 1.0) * (m - 2.0));
        let mut of_median = 0.0;
        let mut push = |i: usize, j: usize, of_distance: f64| {
            for c in 0..side.width {
                let slope = 2.0 * of_distance * (side.at(i, c) - side.at(j, c));
                cotangents[i * side.stride + side.start + c] += slope;
                cotangents[j * side.stride + side.start + c] -= slope;
            }
        };
        for i in 0..count {
            for j in i + 1..count {
                let value = own.values[i * count + j];
                // Both entries of the symmetric matrix.
                let entries =
                    2.0 * (other.values[i * count + j] + constant) - 2.0 / (m - 2.0) * (other.rows[i] + other.rows[j]);
                let of_exponent = -factor * scale * entries * value / (2.0 * own.median);
                push(i, j, of_exponent);
                of_median -= of_exponent * side.squared_distance(i, j) / own.median;
            }
        }
        push(own.median_pair.0, own.median_pair.1, of_median);
    }
    value
}

/// Mean over components of the squared correlation; a component that does not vary counts as uncorrelated.
fn correlation(sides: &[Side; 2], count: usize, factor: f64, cotangents: &mut [f64]) -> f64 {
    let width = sides[0].width;
    let mut value = 0.0;
    for c in 0..width {
        let centred = sides.each_ref().map(|side| {
            let mean = (0..count).map(|i| side.at(i, c)).sum::<f64>() / count as f64;
            (0..count).map(|i| side.at(i, c) - mean).collect::<Vec<f64>>()
        });
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let [a, b] = &centred;
        let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
        if aa == 0.0 || bb == 0.0 {
            continue;
        }
        let square = ab * ab / (aa * bb);
        value += square / width as f64;
        if factor == 0.0 {
            continue;
        }
        for (side, own, other, norm) in [(&sides[0], a, b, aa), (&sides[1], b, a, bb)] {
            for i in 0..count {
                let slope = 2.0 * (ab * other[i] / (aa * bb) - square * own[i] / norm);
                cotangents[i * side.stride + side.start + c] += factor * slope / width as f64;
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    const LAYOUT: PointLayout = PointLayout { correction: 2, predictions: 1, most: 40 };

    fn pairs(measure: Measure, between: Between) -> Pairs {
        Pairs { measure, between, points: 40 }
    }

    fn points(count: usize, seed: u64) -> Vec<f64> {
        let stream = Stream::new(seed, Purpose::Simulation);
        (0..(count * LAYOUT.width()) as u32).map(|i| stream.normal(i, 0)).collect()
    }

    #[test]
    fn derivatives_are_those_of_the_value() {
        for measure in [Measure::Hsic, Measure::Correlation] {
            for between in [Between::Correction, Between::Predictions] {
                let (pairs, mut at) = (pairs(measure, between), points(9, 3));
                let mut exact = vec![0.0; at.len()];
                pairs.evaluate(&at, &LAYOUT, 1.0, &mut exact);
                assert!(exact.iter().any(|g| g.abs() > 1e-3));
                for i in 0..at.len() {
                    let mut value = |h: f64| {
                        at[i] += h;
                        let v = pairs.evaluate(&at, &LAYOUT, 0.0, &mut vec![0.0; exact.len()]);
                        at[i] -= h;
                        v
                    };
                    let differences = (value(1e-6) - value(-1e-6)) / 2e-6;
                    assert!((differences - exact[i]).abs() < 1e-7, "{measure:?} {i}: {differences} {}", exact[i]);
                }
            }
        }
    }

    /// Independent points have HSIC 0 on average (the estimator is unbiased); equal ones have much more.
    #[test]
    fn independent_points_have_no_dependence_on_average() {
        let hsic = pairs(Measure::Hsic, Between::Correction);
        let value = |p: &[f64]| hsic.evaluate(p, &LAYOUT, 0.0, &mut vec![0.0; p.len()]);
        let values: Vec<f64> = (0..200).map(|seed| value(&points(30, seed))).collect();
        let mean = values.iter().sum::<f64>() / 200.0;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 199.0 / 200.0).sqrt();
        assert!(mean.abs() < 4.0 * deviation, "{mean} ± {deviation}");
        let mut same = points(30, 0);
        for point in same.chunks_exact_mut(LAYOUT.width()) {
            (point[2], point[3]) = (point[0], point[1]);
        }
        assert!(value(&same) > 50.0 * deviation);
    }

    /// m = 4, by hand: four points on a line at 0, 1, 2, 3 against themselves have squared distances 1 and 4 and 9, with
    /// the (lower) median 1.
    #[test]
    fn four_points_by_hand() {
        let layout = PointLayout { correction: 1, predictions: 0, most: 4 };
        let at: Vec<f64> = (0..4).flat_map(|i| [i as f64, i as f64]).collect();
        let (p, q, r) = ((-0.5f64).exp(), (-2.0f64).exp(), (-4.5f64).exp());
        let rows = [p + q + r, 2.0 * p + q];
        let trace = 2.0 * (3.0 * p * p + 2.0 * q * q + r * r);
        let total = 2.0 * (rows[0] + rows[1]);
        let crossed = 2.0 * (rows[0] * rows[0] + rows[1] * rows[1]);
        let expected = (trace + total * total / 6.0 - crossed) / 4.0;
        let found = Pairs { measure: Measure::Hsic, between: Between::Correction, points: 4 }.evaluate(
            &at,
            &layout,
            0.0,
            &mut [0.0; 8],
        );
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn points_are_spread_evenly_and_each_place_is_taken_once() {
        for candidates in [3, 40, 41, 100, 1000] {
            let places: Vec<usize> = (0..candidates).filter_map(|c| LAYOUT.place(c, candidates)).collect();
            assert_eq!(places, (0..LAYOUT.count(candidates)).collect::<Vec<_>>(), "{candidates}");
        }
        assert_eq!(PointLayout::default().place(0, 10), None);
    }
}
