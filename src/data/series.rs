//! One episode in time: missing rows, equal spacing, interpolation, the steps used.

use super::episode::Episode;
use super::error::DataError;
use crate::model::limits::MOST_VALUES;

impl Episode {
    pub(super) fn output_row(&self, step: usize) -> &[f64] {
        &self.outputs[step * self.output_width()..(step + 1) * self.output_width()]
    }

    pub(super) fn input_row(&self, step: usize) -> &[f64] {
        &self.inputs[step * self.input_count..(step + 1) * self.input_count]
    }

    /// Drops the rows with a missing value. Rows inside an episode may go only where times keep the gap.
    pub(super) fn drop_missing(&mut self, resampled: bool) -> Result<(), DataError> {
        let present = |step: &usize| {
            let values = self.output_row(*step).iter().chain(self.input_row(*step));
            values.chain(self.time.iter().map(|time| &time[*step])).all(|value| !value.is_nan())
        };
        let kept: Vec<usize> = (0..self.len).filter(present).collect();
        let (Some(&first), Some(&last)) = (kept.first(), kept.last()) else {
            let problem = "every row has a missing value, and drop_missing leaves none";
            return Err(DataError::values(&self.name, problem, "select fewer columns or leave the file out"));
        };
        if kept.len() == self.len {
            return Ok(());
        }
        if last - first + 1 != kept.len() && !resampled {
            let gap = kept.windows(2).find(|pair| pair[1] != pair[0] + 1).map_or(first, |pair| pair[0] + 1);
            let problem =
                format!("row {gap} (from 0) has a missing value, and dropping it joins rows that are no neighbours");
            let remedy = "name the time column and set resample, or leave drop_missing out (NaN = not observed)";
            return Err(DataError::values(&self.name, problem, remedy));
        }
        self.outputs = kept.iter().flat_map(|&step| self.output_row(step)).copied().collect();
        self.inputs = kept.iter().flat_map(|&step| self.input_row(step)).copied().collect();
        self.time = self.time.take().map(|time| kept.iter().map(|&step| time[step]).collect());
        self.first_step += first;
        self.len = kept.len();
        Ok(())
    }

    /// Checks that times are present and increase.
    pub(super) fn check_times(&self) -> Result<(), DataError> {
        let Some(time) = &self.time else { return Ok(()) };
        if let Some(row) = time.iter().position(|t| t.is_nan()) {
            let problem = format!("the time of row {row} (from 0) is missing");
            return Err(DataError::values(&self.name, problem, "give it, or set drop_missing = true"));
        }
        if let Some(row) = (1..self.len).find(|&row| time[row] <= time[row - 1]) {
            let problem = format!("time goes from {} to {} at row {row} (from 0)", time[row - 1], time[row]);
            let remedy = "sort the rows by time; where a new episode begins there, set [data] episodes";
            return Err(DataError::values(&self.name, problem, remedy));
        }
        Ok(())
    }

    /// The spacing of the times, which must be equal; `None` without times or with one row.
    pub(super) fn spacing(&self) -> Result<Option<f64>, DataError> {
        let Some(time) = self.time.as_ref().filter(|time| time.len() > 1) else { return Ok(None) };
        let mean = (time[time.len() - 1] - time[0]) / (time.len() - 1) as f64;
        match (1..time.len()).find(|&row| !self.same_spacing(time[row] - time[row - 1], mean)) {
            None => Ok(Some(mean)),
            Some(row) => Err(DataError::values(
                &self.name,
                format!(
                    "times are not equally spaced: from {} to {} where the mean spacing is {mean:.6}",
                    time[row - 1],
                    time[row]
                ),
                "set resample = SPACING to interpolate, or leave time out if the rows are equally spaced after all",
            )),
        }
    }

    /// Whether two spacings are equal up to 0.1 % and the rounding of times stored as f32.
    pub(super) fn same_spacing(&self, a: f64, b: f64) -> bool {
        let largest = self.time.iter().flatten().fold(0.0f64, |largest, t| largest.max(t.abs()));
        (a - b).abs() <= 1e-3 * b.abs() + 4.0 * f64::from(f32::EPSILON) * largest
    }

    /// Interpolates linearly to the multiples of `spacing` within the episode's times. Next to a missing value the
    /// result is missing, except at a row's own time.
    pub(super) fn resample(&mut self, spacing: f64) -> Result<(), DataError> {
        let Some(time) = self.time.take() else { return Ok(()) };
        let (begin, end) = ((time[0] / spacing - 1e-9).ceil(), (time[self.len - 1] / spacing + 1e-9).floor());
        let steps = (end - begin + 1.0).max(0.0);
        let numbers = steps * (self.output_width() + self.input_count + 1) as f64;
        if steps < 1.0 || numbers > MOST_VALUES as f64 {
            let problem =
                format!("times from {} to {} hold {steps} multiples of {spacing}", time[0], time[self.len - 1]);
            return Err(DataError::values(&self.name, problem, "choose another spacing for [data] resample"));
        }
        let times: Vec<f64> = (0..steps as usize).map(|step| (begin + step as f64) * spacing).collect();
        let (mut outputs, mut inputs) = (Vec::new(), Vec::new());
        let mut right = 0;
        for &t in &times {
            while right + 1 < self.len && time[right] < t - 1e-9 * spacing {
                right += 1;
            }
            let left = right.saturating_sub(1);
            let at_row = (time[right] - t).abs() <= 1e-9 * spacing || right == left;
            let weight = if at_row { 1.0 } else { (t - time[left]) / (time[right] - time[left]) };
            let blend = |a: &[f64], b: &[f64], into: &mut Vec<f64>| {
                into.extend(a.iter().zip(b).map(|(a, b)| if at_row { *b } else { a + weight * (b - a) }));
            };
            blend(self.output_row(left), self.output_row(right), &mut outputs);
            blend(self.input_row(left), self.input_row(right), &mut inputs);
        }
        (self.outputs, self.inputs, self.len, self.time) = (outputs, inputs, times.len(), Some(times));
        Ok(())
    }

    /// Keeps the steps `[first, end)`.
    pub(super) fn keep_steps(&mut self, [first, end]: [usize; 2]) -> Result<(), DataError> {
        if end > self.len {
            let problem = format!("the episode has {} steps, fewer than steps = [{first}, {end}] asks for", self.len);
            let remedy = "lower the end of [data] steps, or leave the file or episode out";
            return Err(DataError::values(&self.name, problem, remedy));
        }
        self.outputs = self.outputs[first * self.output_width()..end * self.output_width()].to_vec();
        self.inputs = self.inputs[first * self.input_count..end * self.input_count].to_vec();
        self.time = self.time.take().map(|time| time[first..end].to_vec());
        (self.first_step, self.len) = (self.first_step + first, end - first);
        Ok(())
    }

    /// Inputs drive the model at every step, so none may be missing.
    pub(super) fn check_inputs(&self, names: &[String]) -> Result<(), DataError> {
        match self.inputs.iter().position(|value| value.is_nan()) {
            None => Ok(()),
            Some(position) => Err(DataError::values(
                &self.name,
                format!(
                    "input {} is missing at step {} (from 0)",
                    names.get(position % self.input_count).map_or("", String::as_str),
                    position / self.input_count
                ),
                "fill it in, set drop_missing = true, or choose other [data] steps",
            )),
        }
    }
}
