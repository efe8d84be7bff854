//! Natural cubic splines: states and their time derivatives between frames.

/// A natural cubic spline through equally spaced values (spacing 1).
#[derive(Clone)]
pub struct Spline {
    values: Vec<f64>,
    curvatures: Vec<f64>,
}

impl Spline {
    /// The spline with no curvature at its ends.
    pub fn natural(values: Vec<f64>) -> Spline {
        let n = values.len();
        let mut curvatures = vec![0.0; n];
        // Tridiagonal system m[i−1] + 4 m[i] + m[i+1] = 6 (y[i−1] − 2 y[i] + y[i+1]), m = 0 at both ends.
        let mut upper = vec![0.0; n];
        for i in 1..n.saturating_sub(1) {
            let right = 6.0 * (values[i - 1] - 2.0 * values[i] + values[i + 1]);
            let pivot = 4.0 - upper[i - 1];
            upper[i] = 1.0 / pivot;
            curvatures[i] = (right - curvatures[i - 1]) / pivot;
        }
        for i in (1..n.saturating_sub(1)).rev() {
            curvatures[i] -= upper[i] * curvatures[i + 1];
        }
        Spline { values, curvatures }
    }

    fn piece(&self, x: f64) -> (usize, f64) {
        let i = (x.floor().max(0.0) as usize).min(self.values.len().saturating_sub(2));
        (i, x - i as f64)
    }

    /// Value at a place, counted in spacings.
    pub fn value(&self, x: f64) -> f64 {
        let (i, t) = self.piece(x);
        let (y, m, s) = (&self.values, &self.curvatures, 1.0 - t);
        let Some(next) = y.get(i + 1) else { return y[i] };
        s * y[i] + t * next + ((s * s * s - s) * m[i] + (t * t * t - t) * m[i + 1]) / 6.0
    }

    /// Derivative at a place, per spacing.
    pub fn slope(&self, x: f64) -> f64 {
        let (i, t) = self.piece(x);
        let (y, m, s) = (&self.values, &self.curvatures, 1.0 - t);
        let Some(next) = y.get(i + 1) else { return 0.0 };
        next - y[i] + ((1.0 - 3.0 * s * s) * m[i] + (3.0 * t * t - 1.0) * m[i + 1]) / 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::Spline;

    #[test]
    fn splines_follow_a_smooth_function_and_its_slope() {
        let spline = Spline::natural((0..100).map(|i| (0.1 * i as f64).sin()).collect());
        for i in 20..160 {
            let x = 10.0 + i as f64 / 2.0;
            assert!((spline.value(x) - (0.1 * x).sin()).abs() < 1e-5);
            assert!((spline.slope(x) - 0.1 * (0.1 * x).cos()).abs() < 1e-5);
        }
    }
}
