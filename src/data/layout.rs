//! From the arrays of one file to rows of outputs, inputs and time, and the ranges of rows that are episodes.

use std::ops::Range;

use super::config::{Columns, DataConfig, EpisodeRule};
use super::error::DataError;
use super::table::{Column, Table};

/// The selected columns of one file, row after row, and its episodes.
pub(super) struct Selection {
    /// `[rows, outputs × cells]`.
    pub outputs: Vec<f64>,
    /// `[rows, inputs]`.
    pub inputs: Vec<f64>,
    /// `[rows]`.
    pub time: Option<Vec<f64>>,
    /// Grid cells per output; 1 where there is no grid.
    pub cells: usize,
    /// The rows of each episode.
    pub episodes: Vec<Range<usize>>,
}

/// The columns of the outputs or of the inputs.
enum Group<'a> {
    Whole(Column<'a>),
    Members(Vec<Column<'a>>),
}

impl<'a> Group<'a> {
    fn find(table: &'a Table, columns: Option<&Columns>, names: &[String]) -> Result<Self, DataError> {
        match columns {
            Some(Columns::Whole(reference)) => Ok(Self::Whole(table.column(reference)?)),
            Some(Columns::Members(map)) => {
                let of = |name: &String| table.column(map.get(name).unwrap_or(name));
                Ok(Self::Members(names.iter().map(of).collect::<Result<_, _>>()?))
            }
            None => Ok(Self::Members(names.iter().map(|name| table.column(name)).collect::<Result<_, _>>()?)),
        }
    }

    fn columns(&self) -> &[Column<'a>] {
        match self {
            Self::Whole(column) => std::slice::from_ref(column),
            Self::Members(columns) => columns,
        }
    }
}

/// Reads what the configuration selects from a table.
pub(super) fn select(
    table: &Table,
    config: &DataConfig,
    output_names: &[String],
    input_names: &[String],
) -> Result<Selection, DataError> {
    let outputs = Group::find(table, config.outputs.as_ref(), output_names)?;
    let inputs = Group::find(table, config.inputs.as_ref(), input_names)?;
    let all = || outputs.columns().iter().chain(inputs.columns());
    let Some(first) = all().next() else {
        return Err(DataError::config("outputs", "the model observes nothing", "give the model an output"));
    };
    // Without a rule for episodes, a third axis can only mean that the first one counts episodes.
    let stacked = config.episodes.is_none() && all().any(|column| column.array.shape.len() >= 3);
    let lead = if stacked { 2 } else { 1 };
    let leading = first.array.shape.iter().take(lead).copied().collect::<Vec<_>>();
    let layout = Layout { place: table.arrays.place(), leading, reference: first.reference.clone() };
    for column in all() {
        layout.check(column)?;
    }
    if layout.rows() == 0 {
        let problem = format!("\"{}\" is {:?}: there are no rows", first.reference, first.array.shape);
        return Err(DataError::array(layout.place, problem, "give a file with data"));
    }
    let (output_values, cells) = layout.gather(&outputs, output_names, "outputs")?;
    let (input_values, input_cells) = layout.gather(&inputs, input_names, "inputs")?;
    if input_cells != 1 {
        let problem = "inputs on a grid are not supported";
        return Err(DataError::config("inputs", problem, "give inputs of one number per step"));
    }
    let time = config.time.as_ref().map(|name| layout.time(&table.column(name)?)).transpose()?;
    let episodes = match &config.episodes {
        None => {
            let length = if stacked { layout.leading[1] } else { layout.rows() };
            (0..layout.rows() / length).map(|episode| episode * length..(episode + 1) * length).collect()
        }
        Some(rule) => ranges(rule, table, &layout)?,
    };
    Ok(Selection { outputs: output_values, inputs: input_values, time, cells, episodes })
}

/// The leading axes every selected array shares: `[rows]` or `[episodes, steps]`.
struct Layout<'a> {
    place: &'a str,
    leading: Vec<usize>,
    /// The array the axes were taken from, for messages.
    reference: String,
}

impl Layout<'_> {
    fn rows(&self) -> usize {
        self.leading.iter().product()
    }

    fn axes(&self) -> &'static str {
        if self.leading.len() == 2 { "episodes and steps" } else { "rows" }
    }

    fn check(&self, column: &Column<'_>) -> Result<(), DataError> {
        if column.array.shape.starts_with(&self.leading) {
            return Ok(());
        }
        let problem = format!(
            "\"{}\" is {:?} where \"{}\" has {:?} {}",
            column.reference,
            column.array.shape,
            self.reference,
            self.leading,
            self.axes()
        );
        Err(DataError::array(self.place, problem, "select arrays of equal lengths"))
    }

    /// The group's values `[rows, width]`, and how many grid cells each member has.
    fn gather(&self, group: &Group<'_>, names: &[String], key: &str) -> Result<(Vec<f64>, usize), DataError> {
        let columns = match group {
            Group::Whole(column) if column.index.is_none() => {
                let rest = &column.array.shape[self.leading.len()..];
                let (members, cells) = match rest {
                    [] => (1, 1),
                    [members, cells @ ..] => (*members, cells.iter().product()),
                };
                if members != names.len() {
                    let problem = format!(
                        "\"{}\" is {:?}, which holds {members} members; the model has {}: {}",
                        column.reference,
                        column.array.shape,
                        names.len(),
                        names.join(", ")
                    );
                    let remedy = format!("name the columns: {key} = {{ member = \"{}[0]\" }}", column.reference);
                    return Err(DataError::array(self.place, problem, remedy));
                }
                self.check_finite(column, &column.array.values, members * cells)?;
                return Ok((column.array.values.clone(), cells));
            }
            _ => group.columns(),
        };
        if columns.len() != names.len() {
            let problem = format!("one column is given for {} members", names.len());
            return Err(DataError::config(key, problem, format!("write {key} = {{ member = \"column\", … }}")));
        }
        let mut values = vec![0.0; self.rows() * columns.len()];
        for (member, column) in columns.iter().enumerate() {
            for (row, value) in self.scalar(column)?.enumerate() {
                values[row * columns.len() + member] = value;
            }
        }
        for (member, column) in columns.iter().enumerate() {
            let of_member: Vec<f64> = values.iter().skip(member).step_by(columns.len()).copied().collect();
            self.check_finite(column, &of_member, 1)?;
        }
        Ok((values, 1))
    }

    /// One number per row.
    fn scalar<'b>(&self, column: &Column<'b>) -> Result<impl Iterator<Item = f64> + use<'b>, DataError> {
        let array = column.array;
        let rest = &array.shape[self.leading.len()..];
        let (offset, step) = match (rest, column.index) {
            ([], None) | ([1], None) => (0, 1),
            ([width], Some(index)) => (index, *width),
            _ => {
                let name = column.reference.split('[').next().unwrap_or_default();
                let problem = format!("\"{}\" is {:?}, not one number per step", column.reference, array.shape);
                let remedy = format!(
                    "name one column of it, as in \"{name}[0]\"; several episodes are an array [episodes, steps, columns]"
                );
                return Err(DataError::array(self.place, problem, remedy));
            }
        };
        Ok(array.values.iter().skip(offset).step_by(step).copied())
    }

    /// Times per row. Stacked episodes may share one series of times.
    fn time(&self, column: &Column<'_>) -> Result<Vec<f64>, DataError> {
        let values: Vec<f64> = match (self.leading.as_slice(), column.array.shape.as_slice()) {
            ([episodes, steps], [length]) if steps == length => column.array.values.repeat(*episodes),
            _ => {
                self.check(column)?;
                self.scalar(column)?.collect()
            }
        };
        self.check_finite(column, &values, 1)?;
        Ok(values)
    }

    /// NaN is a missing value; an infinite one is always a mistake.
    fn check_finite(&self, column: &Column<'_>, values: &[f64], width: usize) -> Result<(), DataError> {
        match values.iter().position(|value| value.is_infinite()) {
            None => Ok(()),
            Some(position) => Err(DataError::values(
                self.place,
                format!("\"{}\" is infinite in row {} (from 0)", column.reference, position / width),
                "correct it, or write NaN where the value is missing",
            )),
        }
    }
}

/// The rows of each episode by the user's rule.
fn ranges(rule: &EpisodeRule, table: &Table, layout: &Layout<'_>) -> Result<Vec<Range<usize>>, DataError> {
    let rows = layout.rows();
    let per_row = |name: &str| -> Result<Vec<f64>, DataError> {
        let column = table.column(name)?;
        layout.check(&column)?;
        Ok(layout.scalar(&column)?.collect())
    };
    let starts: Vec<usize> = match rule {
        EpisodeRule::Length(length) => {
            if !rows.is_multiple_of(*length) {
                let problem = format!("{rows} rows are not a whole number of episodes of {length}");
                return Err(DataError::array(layout.place, problem, "correct [data] episodes.length, or use starts"));
            }
            (0..rows).step_by(*length).collect()
        }
        EpisodeRule::Starts(name) => {
            let flags = per_row(name)?;
            if let Some(row) = flags.iter().position(|flag| *flag != 0.0 && *flag != 1.0) {
                let problem = format!("\"{name}\" is {} in row {row} (from 0)", flags[row]);
                let remedy = "write 1 (true) in the first row of an episode and 0 (false) elsewhere";
                return Err(DataError::values(layout.place, problem, remedy));
            }
            if flags[0] != 1.0 {
                let problem = format!("\"{name}\" does not mark row 0 as a start");
                let remedy = "drop the rows before the first start, or mark row 0";
                return Err(DataError::values(layout.place, problem, remedy));
            }
            (0..rows).filter(|&row| flags[row] == 1.0).collect()
        }
        EpisodeRule::Column(name) => {
            let ids = per_row(name)?;
            let starts: Vec<usize> = (0..rows).filter(|&row| row == 0 || ids[row] != ids[row - 1]).collect();
            let mut seen: Vec<(f64, usize)> = starts.iter().map(|&row| (ids[row], row)).collect();
            seen.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            if let Some(row) = ids.iter().position(|id| id.is_nan()) {
                let problem = format!("\"{name}\" is missing in row {row} (from 0)");
                return Err(DataError::values(layout.place, problem, "give every row the number of its episode"));
            }
            if let Some(pair) = seen.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                let problem = format!("\"{name}\" = {} begins again in row {} (from 0)", pair[1].0, pair[1].1);
                return Err(DataError::values(layout.place, problem, "sort the rows by episode"));
            }
            starts
        }
    };
    let ends = starts.iter().skip(1).copied().chain([rows]);
    Ok(starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect())
}
