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

/// Reads what the configuration selects from a table. `grid` is the shape of one output, empty where it is a number.
pub(super) fn select(
    table: &Table,
    config: &DataConfig,
    output_names: &[String],
    input_names: &[String],
    grid: &[usize],
) -> Result<Selection, DataError> {
    let outputs = Group::find(table, config.outputs.as_ref(), output_names)?;
    let inputs = Group::find(table, config.inputs.as_ref(), input_names)?;
    let all = || outputs.columns().iter().chain(inputs.columns());
    let Some(first) = all().next() else {
        return Err(DataError::config("outputs", "the model observes nothing", "give the model an output"));
    };
    let place = table.arrays.place();
    let lead = match (&config.episodes, grid) {
        (Some(_), _) => 1,
        // Without a rule for episodes, a third axis can only mean that the first one counts episodes.
        (None, []) => 1 + usize::from(all().any(|column| column.array.shape.len() >= 3)),
        (None, grid) => leading_axes(place, &outputs, output_names, grid)?,
    };
    let stacked = lead == 2;
    let leading = first.array.shape.iter().take(lead).copied().collect::<Vec<_>>();
    if let Some(longer) = all().find(|column| leading.len() < lead && column.array.shape.len() > leading.len()) {
        let [a, b] = [first, longer].map(|column| format!("\"{}\" is {:?}", column.reference, column.array.shape));
        let remedy = "give all arrays the axes [steps] or [episodes, steps], and behind them that of members";
        return Err(DataError::array(place, format!("{a}, but {b}"), remedy));
    }
    let layout = Layout { place, leading, reference: first.reference.clone() };
    for column in all() {
        layout.check(column)?;
    }
    if layout.rows() == 0 {
        let problem = format!("\"{}\" is {:?}: there are no rows", first.reference, first.array.shape);
        return Err(DataError::array(layout.place, problem, "give a file with data"));
    }
    let output_values = layout.gather(&outputs, output_names, "outputs", grid)?;
    let input_values = layout.gather(&inputs, input_names, "inputs", &[])?;
    let time = config.time.as_ref().map(|name| layout.time(&table.column(name)?)).transpose()?;
    let episodes = match &config.episodes {
        None => {
            let length = if stacked { layout.leading[1] } else { layout.rows() };
            (0..layout.rows() / length).map(|episode| episode * length..(episode + 1) * length).collect()
        }
        Some(rule) => ranges(rule, table, &layout)?,
    };
    Ok(Selection { outputs: output_values, inputs: input_values, time, cells: grid.iter().product(), episodes })
}

/// How many axes of fields come before those of members and cells: `[steps, …]` or `[episodes, steps, …]`.
fn leading_axes(place: &str, outputs: &Group<'_>, names: &[String], grid: &[usize]) -> Result<usize, DataError> {
    let with_members = [&[names.len()], grid].concat();
    let endings: Vec<&[usize]> = match outputs {
        Group::Whole(_) if names.len() > 1 => vec![&with_members],
        Group::Whole(_) => vec![&with_members, grid],
        Group::Members(_) => vec![grid],
    };
    let column = &outputs.columns()[0];
    let shape = &column.array.shape;
    let lead = |ending: &[usize]| shape.len().checked_sub(ending.len()).filter(|lead| matches!(lead, 1 | 2));
    let found = endings.iter().find_map(|ending| lead(ending).filter(|_| shape.ends_with(ending)));
    found.ok_or_else(|| not_on_grid(place, column, endings[0], grid))
}

/// An array whose last axes are not those of the grid.
fn not_on_grid(place: &str, column: &Column<'_>, expected: &[usize], grid: &[usize]) -> DataError {
    let list = expected.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let problem = format!(
        "\"{}\" is {:?}; on the grid {grid:?} it must be [episodes, steps, {list}] or [steps, {list}]",
        column.reference, column.array.shape
    );
    let remedy = "set [grid] size to the cells of the data, or save the array in the order episodes, steps, members, rows, \
                  columns";
    DataError::array(place, problem, remedy)
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

    /// The group's values `[rows, members × cells]`, the cells of a member being neighbours.
    fn gather(&self, group: &Group<'_>, names: &[String], key: &str, grid: &[usize]) -> Result<Vec<f64>, DataError> {
        let cells: usize = grid.iter().product();
        let columns = match group {
            Group::Whole(column) if column.index.is_none() => {
                self.check_whole(column, names, key, grid)?;
                self.check_finite(column, &column.array.values, names.len() * cells)?;
                return Ok(column.array.values.clone());
            }
            _ => group.columns(),
        };
        if columns.len() != names.len() {
            let problem = format!("one column is given for {} members", names.len());
            return Err(DataError::config(key, problem, format!("write {key} = {{ member = \"column\", … }}")));
        }
        let width = columns.len() * cells;
        let mut values = vec![0.0; self.rows() * width];
        for (member, column) in columns.iter().enumerate() {
            let of_member = if grid.is_empty() { self.scalar(column)?.collect() } else { self.field(column, grid)? };
            self.check_finite(column, &of_member, cells)?;
            for (row, part) in of_member.chunks(cells).enumerate() {
                values[row * width + member * cells..][..cells].copy_from_slice(part);
            }
        }
        Ok(values)
    }

    /// Checks that a whole array holds the members, and on a grid the cells of each.
    fn check_whole(&self, column: &Column<'_>, names: &[String], key: &str, grid: &[usize]) -> Result<(), DataError> {
        let shape = &column.array.shape;
        let (members, cells) = shape[self.leading.len()..].split_first().unwrap_or((&1, &[]));
        if !grid.is_empty() {
            let single = names.len() == 1 && shape[self.leading.len()..] == *grid;
            return match single || (*members == names.len() && cells == grid) {
                true => Ok(()),
                false => Err(not_on_grid(self.place, column, &[&[names.len()], grid].concat(), grid)),
            };
        }
        if cells.iter().product::<usize>() != 1 {
            let problem =
                format!("\"{}\" is {shape:?}, a field of {cells:?} cells; the model has no grid", column.reference);
            let remedy = match key {
                "inputs" => "give inputs of one number per step".to_string(),
                _ => format!("add a table [grid] with size = {cells:?} and the spacing of the cells"),
            };
            return Err(DataError::array(self.place, problem, remedy));
        }
        if *members != names.len() {
            let problem = format!(
                "\"{}\" is {shape:?}, which holds {members} members; the model has {}: {}",
                column.reference,
                names.len(),
                names.join(", ")
            );
            let remedy = format!("name the columns: {key} = {{ member = \"{}[0]\" }}", column.reference);
            return Err(DataError::array(self.place, problem, remedy));
        }
        Ok(())
    }

    /// One field per row.
    fn field(&self, column: &Column<'_>, grid: &[usize]) -> Result<Vec<f64>, DataError> {
        if column.index.is_some() || column.array.shape[self.leading.len()..] != *grid {
            return Err(not_on_grid(self.place, column, grid, grid));
        }
        Ok(column.array.values.clone())
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
