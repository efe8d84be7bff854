//! Explicit Runge–Kutta tableaus.
//!
//! Sources: E. Hairer, S. P. Nørsett, G. Wanner, "Solving Ordinary Differential Equations I", 2nd ed., table II.1.1–1.2.

use crate::model::Method;

/// A scheme: s_{k+1} = s_k + h Σ b_i k_i with k_i = rhs(s_k + h Σ_{j<i} a_ij k_j, t_k + c_i h).
#[derive(Clone, Debug, PartialEq)]
pub struct Tableau {
    /// Name in the TOML.
    pub name: &'static str,
    /// Order of convergence; 0 for a map.
    pub order: u32,
    /// Rows of the strictly lower triangular matrix.
    pub a: Vec<Vec<f64>>,
    /// Weights of the stages.
    pub b: Vec<f64>,
    /// Stage times within a step.
    pub c: Vec<f64>,
    /// True for a discrete map: rhs returns the next state itself.
    pub map: bool,
}

impl Tableau {
    /// Number of stages.
    pub fn stages(&self) -> usize {
        self.b.len()
    }

    /// The end of the real-axis stability interval: the largest x such that s' = −λs does not grow for any step h with
    /// hλ ≤ x. Infinite for a map, which has no steps.
    pub fn real_stability(&self) -> f64 {
        if self.map {
            return f64::INFINITY;
        }
        // The factor of one step at hλ = x, by the scheme itself.
        let factor = |x: f64| -> f64 {
            let mut rates: Vec<f64> = Vec::with_capacity(self.stages());
            for row in &self.a {
                let moved: f64 = row.iter().zip(&rates).map(|(a, k)| a * k).sum();
                rates.push(-x * (1.0 + moved));
            }
            1.0 + self.b.iter().zip(&rates).map(|(b, k)| b * k).sum::<f64>()
        };
        let (step, rounding) = (1e-2, 1e-12);
        let mut low = 0.0;
        while factor(low + step).abs() <= 1.0 + rounding {
            low += step;
        }
        let mut high = low + step;
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            if factor(middle).abs() <= 1.0 + rounding { low = middle } else { high = middle }
        }
        low
    }
}

/// The scheme of a method.
pub fn tableau(method: Method) -> Tableau {
    let scheme = |name, order, a: &[&[f64]], b: &[f64], c: &[f64]| Tableau {
        name,
        order,
        a: a.iter().map(|row| row.to_vec()).collect(),
        b: b.to_vec(),
        c: c.to_vec(),
        map: false,
    };
    match method {
        Method::Euler => scheme("euler", 1, &[&[]], &[1.0], &[0.0]),
        Method::Midpoint => scheme("midpoint", 2, &[&[], &[0.5]], &[0.0, 1.0], &[0.0, 0.5]),
        Method::Heun => scheme("heun", 2, &[&[], &[1.0]], &[0.5, 0.5], &[0.0, 1.0]),
        Method::Rk4 => scheme(
            "rk4",
            4,
            &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
            &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
            &[0.0, 0.5, 0.5, 1.0],
        ),
        Method::Rk38 => scheme(
            "rk38",
            4,
            &[&[], &[1.0 / 3.0], &[-1.0 / 3.0, 1.0], &[1.0, -1.0, 1.0]],
            &[1.0 / 8.0, 3.0 / 8.0, 3.0 / 8.0, 1.0 / 8.0],
            &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0],
        ),
        // Of a static model the only stage is at the end of the interval, where the inputs of the observed row are.
        Method::Static => Tableau { map: true, order: 0, ..scheme("static", 0, &[&[]], &[1.0], &[1.0]) },
        Method::Map => Tableau { map: true, order: 0, ..scheme("map", 0, &[&[]], &[1.0], &[0.0]) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Method; 5] = [Method::Euler, Method::Midpoint, Method::Heun, Method::Rk4, Method::Rk38];

    /// Hairer and Wanner, "Solving Ordinary Differential Equations II", section IV.2.
    #[test]
    fn stability_intervals_are_the_known_ones() {
        for (method, end) in ALL.into_iter().zip([2.0, 2.0, 2.0, 2.785_293_6, 2.785_293_6]) {
            let found = tableau(method).real_stability();
            assert!((found - end).abs() < 1e-6, "{method:?}: {found}");
        }
        assert_eq!(tableau(Method::Map).real_stability(), f64::INFINITY);
    }

    /// The order conditions up to order 4 (Hairer et al., table II.2.1).
    #[test]
    fn tableaus_satisfy_the_conditions_of_their_order() {
        for method in ALL {
            let Tableau { a, b, c, order, name, .. } = tableau(method);
            for (row, c) in a.iter().zip(&c) {
                assert!((row.iter().sum::<f64>() - c).abs() < 1e-15, "{name}: row sums");
            }
            let ac = |power: i32| -> Vec<f64> {
                a.iter().map(|row| row.iter().zip(&c).map(|(a, c)| a * c.powi(power)).sum()).collect()
            };
            let aac: Vec<f64> = a.iter().map(|row| row.iter().zip(ac(1)).map(|(a, x)| a * x).sum()).collect();
            let dot = |x: &dyn Fn(usize) -> f64| -> f64 { b.iter().enumerate().map(|(i, b)| b * x(i)).sum() };
            let conditions: [(u32, f64, f64); 8] = [
                (1, dot(&|_| 1.0), 1.0),
                (2, dot(&|i| c[i]), 1.0 / 2.0),
                (3, dot(&|i| c[i].powi(2)), 1.0 / 3.0),
                (3, dot(&|i| ac(1)[i]), 1.0 / 6.0),
                (4, dot(&|i| c[i].powi(3)), 1.0 / 4.0),
                (4, dot(&|i| c[i] * ac(1)[i]), 1.0 / 8.0),
                (4, dot(&|i| ac(2)[i]), 1.0 / 12.0),
                (4, dot(&|i| aac[i]), 1.0 / 24.0),
            ];
            for (needed, value, expected) in conditions {
                assert!(needed > order || (value - expected).abs() < 1e-15, "{name}, order {needed}: {value}");
            }
        }
    }
}
