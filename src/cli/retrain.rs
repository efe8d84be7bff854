//! The retrained landscape beside the adaptive one and that of a perfect correction: computed, drawn, tabulated.

use super::Failure;
use super::folder::write_json;
use super::landscape_figures::{label, parameter};
use super::pipeline::Pipeline;
use crate::model::Scale;
use crate::program::Weights;
use crate::report::{Comparison, Draw, Figure, HeatAxis, MarkKind, Section, Side, SpaceMark, Table, number};
use crate::study::{
    Axis, Criterion, Landscape, LocalMinimum, SumsGrid, Sweep, across, identity, retrained, thin, trajectories,
};
use anyhow::{Context, anyhow};
use std::time::Instant;

/// Points per axis on which minima are looked for, over one and over two parameters.
const FINE: [usize; 2] = [2001, 401];

/// The landscapes of a study with a network for each θ, with one for all, and with a perfect correction.
pub struct Retrained {
    /// A network for each θ of the grid.
    pub retrained: Landscape,
    /// One network for all θ, on the same grid.
    pub adaptive: Landscape,
    /// The local minima of each criterion.
    pub minima: Vec<Minima>,
}

/// Local minima of a criterion, the deepest first.
pub struct Minima {
    /// The criterion.
    pub criterion: Criterion,
    /// With a perfect correction; empty where it is not known.
    pub perfect: Vec<LocalMinimum>,
    /// With one network for all θ.
    pub adaptive: Vec<LocalMinimum>,
    /// With a network for each θ.
    pub retrained: Vec<LocalMinimum>,
}

impl Pipeline {
    /// Trains a network for each θ of a grid, if the study asks for it, and compares. Writes `landscape-retrained.zarr` and
    /// `minima.json`.
    pub fn retrain(&mut self, weights: &Weights, base: &[f64]) -> Result<Option<Retrained>, Failure> {
        let Some(retrain) = self.study.landscape.retrain.clone() else { return Ok(None) };
        let axes = self.study.retrain_axes(&self.model)?;
        let start = Instant::now();
        let train = self.study.section(&self.study.train, "train")?;
        let config = retrain.training(train, &axes);
        let members = config.population.members(config.seed, &self.model);
        eprintln!("retrained landscape: {} networks", members.len());
        let further = &["landscape.retrain", "landscape.axes"];
        let trained = self.fit(&config, &self.prepared.train, &self.out.join("retrained"), further)?;
        self.timings.push(("retrain".into(), start.elapsed().as_secs_f64()));
        let start = Instant::now();
        let (windows, most) = (self.test_windows(), self.landscape_trajectories());
        let (chosen, block) =
            thin(&trajectories(windows, &self.prepared.dataset.residual_scale), &windows.episode, most);
        let own = retrained(self.device.as_ref(), &chosen, (&trained.last, &members), axes.clone(), base)
            .context("retrain")?;
        let sweep = Sweep::new(self.device.as_ref(), weights, &chosen, &block);
        let adaptive = SumsGrid::adaptive(&sweep, axes.clone(), base)?;
        let smooth =
            across(&self.model, &axes, |_, axis| axis.values.len().max(if axes.len() == 1 { 101 } else { 41 }));
        let shared = SumsGrid::adaptive(&sweep, smooth.clone(), base)?;
        let perfect = self.oracle().map(|oracle| SumsGrid::perfect(&oracle, smooth.clone(), base));
        let finest = across(&self.model, &axes, |_, _| FINE[axes.len().min(FINE.len()) - 1]);
        let criteria: Vec<Criterion> =
            self.study.criteria(&self.model)?.into_iter().filter(|c| c.objective.loss_weight == 0.0).collect();
        let [fine_own, fine_adaptive] = [&own, &shared].map(|grid| grid.finer(&finest));
        let fine_perfect = perfect.map(|grid| grid.finer(&finest));
        let minima: Vec<Minima> = criteria
            .iter()
            .map(|criterion| Minima {
                perfect: fine_perfect.as_ref().map_or(Vec::new(), |grid| grid.minima(criterion)),
                adaptive: fine_adaptive.minima(criterion),
                retrained: fine_own.minima(criterion),
                criterion: criterion.clone(),
            })
            .collect();
        let objective = &self.model.objective;
        let result = Retrained {
            retrained: own.landscape(objective, &criteria),
            adaptive: adaptive.landscape(objective, &criteria),
            minima,
        };
        self.hold()?;
        self.write_retrained(&result.retrained, (base, &criteria), &Sweep { weights: &trained.last, ..sweep })?;
        let names: Vec<&str> = axes.iter().map(|a| a.name.as_str()).collect();
        write_json(&self.out.join("minima.json"), &result.json(&names))?;
        for line in result.lines() {
            eprintln!("{line}");
        }
        self.timings.push(("compare landscapes".into(), start.elapsed().as_secs_f64()));
        Ok(Some(result))
    }

    /// Writes the landscape anew: it was computed in memory.
    fn write_retrained(
        &self,
        landscape: &Landscape,
        (base, criteria): (&[f64], &[Criterion]),
        sweep: &Sweep,
    ) -> Result<(), Failure> {
        let path = self.out.join("landscape-retrained.zarr");
        if path.exists() {
            std::fs::remove_dir_all(&path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        let identity = identity(sweep, &landscape.axes, base);
        let points = landscape.failures.len();
        Ok(self.open_landscape(&path, (&landscape.axes, base, criteria), points, identity)?.write(landscape)?)
    }
}

impl Retrained {
    fn json(&self, names: &[&str]) -> serde_json::Value {
        let list = |minima: &[LocalMinimum]| -> Vec<serde_json::Value> {
            let one = |m: &LocalMinimum| serde_json::json!({ "at": m.at, "value": m.value, "depth": m.depth });
            minima.iter().map(one).collect()
        };
        let of = |m: &Minima| {
            serde_json::json!({ "criterion": m.criterion.name, "axes": names, "perfect": list(&m.perfect),
                "adaptive": list(&m.adaptive), "retrained": list(&m.retrained) })
        };
        self.minima.iter().map(of).collect()
    }

    /// For each criterion and minimum a line of words.
    fn lines(&self) -> Vec<String> {
        self.rows().into_iter().map(|row| format!("minimum of {}: {}", row[0], row[1..].join(" | "))).collect()
    }

    /// A row for each minimum of each criterion: of the perfect correction where it is known, else of the retrained landscape;
    /// then the nearest of the others and how far it is.
    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for m in &self.minima {
            let known = !m.perfect.is_empty();
            for from in if known { &m.perfect } else { &m.retrained } {
                let near = |list: &[LocalMinimum]| {
                    let nearest = list.iter().min_by(|a, b| distance(a, from).total_cmp(&distance(b, from)));
                    nearest.map_or(["–".into(), "–".into()], |n| [point(n), number(distance(n, from))])
                };
                let ([adaptive, first], [retrained, second]) = (near(&m.adaptive), near(&m.retrained));
                let perfect = if known { point(from) } else { "–".into() };
                rows.push(vec![m.criterion.name.clone(), perfect, adaptive, first, retrained, second]);
            }
        }
        rows
    }

    /// Side by side, with the minima, and the table of their distances.
    pub fn section(&self, pipeline: &Pipeline) -> Result<Section, Failure> {
        let axes = &self.retrained.axes;
        let heat = |axis: &Axis| HeatAxis {
            log: pipeline.model.theta_spec(axis.index).scale == Scale::Log,
            ..HeatAxis::new(parameter(pipeline, axis.index), &axis.values)
        };
        // The last axis varies along a row of the array, which is the horizontal one.
        let (x, y) = match axes.as_slice() {
            [x] => (heat(x), None),
            [y, x] => (heat(x), Some(heat(y))),
            _ => return Err(anyhow!("a retrained landscape has one or two axes").into()),
        };
        let turned = |at: &[f64]| at.iter().rev().copied().collect::<Vec<f64>>();
        let truth: Vec<f64> =
            axes.iter().map(|a| pipeline.model.theta_spec(a.index).truth.unwrap_or(f64::NAN)).collect();
        let mut figures = Vec::new();
        let all = std::iter::once(("rmse".to_string(), None))
            .chain(self.minima.iter().map(|m| (quantity(&self.retrained, &m.criterion.name), Some(m))));
        for (name, minima) in all {
            let values = |of: &Landscape| of.quantity(&name).unwrap_or(&[]).to_vec();
            let side = |label: &str, of: &Landscape, minima: &[LocalMinimum]| Side {
                name: label.into(),
                values: values(of),
                minima: minima.iter().map(|m| turned(&m.at)).collect(),
            };
            let mut marks = vec![SpaceMark::new("truth", turned(&truth), MarkKind::Truth)];
            let perfect = minima.map_or(&[][..], |m| &m.perfect).iter();
            marks.extend(perfect.map(|m| SpaceMark::new("perfect correction", turned(&m.at), MarkKind::Oracle)));
            let label = label(pipeline, &name);
            let figure = Comparison {
                title: format!("{label}, retrained and adaptive, and their difference"),
                label,
                x: x.clone(),
                y: y.clone(),
                first: side("retrained", &self.retrained, minima.map_or(&[], |m| &m.retrained)),
                second: side("adaptive", &self.adaptive, minima.map_or(&[], |m| &m.adaptive)),
                marks,
            };
            let file = name.replace('/', "-").replace(" + ", "-and-");
            let svg = figure.save(&pipeline.out.join(format!("retrained-{file}.svg")))?;
            figures.push(Figure { caption: figure.title, svg });
        }
        let text = vec![
            format!(
                "For each θ of the grid a network was trained that knows no other θ: φ*(θ), {} networks in one run. The \
                 adaptive landscape approximates theirs with a single network. Squares are the minima with a perfect \
                 correction, y − f, on the same observations.",
                self.retrained.failures.len()
            ),
            "Minima are interpolated between the points of the grid: means of the observables by cubic splines, penalties from \
             these. Distances are those in the units of the parameters."
                .into(),
        ];
        let head = ["criterion", "perfect correction", "adaptive", "distance", "retrained", "distance"]
            .map(String::from)
            .to_vec();
        let table = Some(Table { head, rows: self.rows() });
        Ok(Section { heading: "Retrained landscape".into(), text, figures, pairs: false, table })
    }
}

/// The landscape's quantity of a criterion.
fn quantity(landscape: &Landscape, criterion: &str) -> String {
    match landscape.quantity(criterion) {
        Some(_) => criterion.into(),
        None => format!("penalty/{criterion}"),
    }
}

fn distance(a: &LocalMinimum, b: &LocalMinimum) -> f64 {
    a.at.iter().zip(&b.at).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
}

fn point(minimum: &LocalMinimum) -> String {
    format!("({})", minimum.at.iter().map(|v| format!("{v:.3}")).collect::<Vec<_>>().join(", "))
}
