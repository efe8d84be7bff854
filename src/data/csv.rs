//! Text tables: `.csv` with a comma, semicolon or tab between cells.
//!
//! A byte order mark, quotes, spaces around cells, Windows line ends and empty lines at the end are accepted. A blank
//! cell, `NaN` or `NA` is a missing value. A first row made of numbers only is data: such a file has no names, and its
//! columns are reached as `columns[0]`, `columns[1]`, …, which also works where there are names.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::error::DataError;
use super::npz::{Array, Arrays};

/// The name under which all columns of a text table are one array `[rows, columns]`.
pub const ALL_COLUMNS: &str = "columns";

/// Reads a text table. Each named column is an array `[rows]`. A column with a cell that is not a number is an error
/// only when it is asked for, so that a table may carry notes. `delimiter`: found by trial where not given.
pub fn read_csv(path: &Path, delimiter: Option<char>) -> Result<Arrays, DataError> {
    let bytes = fs::read(path).map_err(|error| DataError::unreadable(path, error))?;
    // Names may hold a unit in an old 8-bit encoding: a wrong letter there is better than a refused file.
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    let delimiter = delimiter.unwrap_or_else(|| detect_delimiter(text));
    let delimiter = u8::try_from(delimiter).ok().filter(u8::is_ascii).ok_or_else(|| {
        DataError::config("delimiter", format!("\"{delimiter}\" is not ASCII"), "give one of , ; or tab")
    })?;
    let rows = read_rows(path, text, delimiter)?;
    columns(path, rows)
}

/// Most columns, as in spreadsheets.
const MOST_COLUMNS: usize = 16_384;

struct Row {
    line: u64,
    cells: Vec<String>,
}

fn read_rows(path: &Path, text: &str, delimiter: u8) -> Result<Vec<Row>, DataError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| DataError::read(path, error, "close every quote"))?;
        let line = record.position().map_or(0, |position| position.line());
        rows.push(Row { line, cells: record.iter().map(|cell| unquoted(cell).to_string()).collect() });
    }
    while rows.last().is_some_and(|row| row.cells.iter().all(String::is_empty)) {
        rows.pop();
    }
    let Some(width) = rows.first().map(|row| row.cells.len()) else {
        return Err(DataError::read(path, "the file has no rows", "give a file with data"));
    };
    if width > MOST_COLUMNS {
        let problem = format!("{width} columns are more than {MOST_COLUMNS}");
        return Err(DataError::read(path, problem, "save it as an array in an .npz file, or set [data] delimiter"));
    }
    match rows.iter().find(|row| row.cells.len() != width) {
        None => Ok(rows),
        Some(row) => Err(DataError::read(
            path,
            format!("line {} has {} cells where the first row has {width}", row.line, row.cells.len(),),
            format!(
                "write every cell (blank where missing), quote cells that hold the delimiter '{}', or set [data] delimiter",
                (delimiter as char).escape_default()
            ),
        )),
    }
}

/// The cell without quotes that a space before them hid from the reader.
fn unquoted(cell: &str) -> &str {
    cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).map_or(cell, str::trim)
}

fn columns(path: &Path, mut rows: Vec<Row>) -> Result<Arrays, DataError> {
    let width = rows[0].cells.len();
    let has_names = rows[0].cells.iter().any(|cell| number(cell).is_none());
    let names: Option<Vec<String>> = has_names.then(|| rows.remove(0).cells);
    if rows.is_empty() {
        return Err(DataError::read(path, "the file has column names but no rows of numbers", "give a file with data"));
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in names.iter().flatten() {
        *counts.entry(name.as_str()).or_default() += 1;
    }
    let mut arrays = Arrays::new(path.display().to_string());
    let mut all = vec![f64::NAN; rows.len() * width];
    let mut refusal = None;
    for column in 0..width {
        let name = names.as_ref().map(|names| names[column].as_str());
        let mut bad = None;
        for (index, row) in rows.iter().enumerate() {
            match number(&row.cells[column]) {
                Some(value) => all[index * width + column] = value,
                None if bad.is_none() => bad = Some(row),
                None => {}
            }
        }
        let error = bad.map(|row| DataError::Cell {
            path: path.to_path_buf(),
            line: row.line,
            column: column + 1,
            name: name.unwrap_or(ALL_COLUMNS).to_string(),
            text: row.cells[column].clone(),
            remedy: cell_remedy(&row.cells[column]).to_string(),
        });
        if let Some(name) = name {
            let error = match (&error, counts[name] > 1) {
                (None, true) => Some(DataError::array(
                    path.display().to_string(),
                    format!("two columns are named \"{name}\""),
                    format!("say which with {ALL_COLUMNS}[{column}] (columns count from 0)"),
                )),
                _ => error.clone(),
            };
            match error {
                Some(error) => arrays.refuse(name, error),
                None => arrays.insert(name, Array::vector(all.iter().skip(column).step_by(width).copied().collect())),
            }
        }
        refusal = refusal.or(error);
    }
    if !names.iter().flatten().any(|name| name == ALL_COLUMNS) {
        match refusal {
            Some(error) => arrays.refuse(ALL_COLUMNS, error),
            None => arrays.insert(ALL_COLUMNS, Array { shape: vec![rows.len(), width], values: all }),
        }
    }
    Ok(arrays)
}

/// The value of a cell, NaN where it is missing, `None` where it is not a number.
fn number(cell: &str) -> Option<f64> {
    if cell.is_empty() || cell == "NA" { Some(f64::NAN) } else { cell.parse().ok() }
}

fn cell_remedy(text: &str) -> &'static str {
    if text.contains(',') && text.replace(',', ".").parse::<f64>().is_ok() {
        "write decimals with a point, or set [data] delimiter = \",\" if the comma separates cells"
    } else {
        "correct it, or leave the cell blank where the value is missing"
    }
}

/// The delimiter that divides the first lines into equally many cells. Tab and semicolon come before the comma, which
/// may be a decimal mark.
fn detect_delimiter(text: &str) -> char {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(20).collect();
    let count = |line: &str, delimiter: char| {
        let mut quoted = false;
        let outside = |c: &char| {
            quoted ^= *c == '"';
            !quoted && *c == delimiter
        };
        line.chars().filter(outside).count()
    };
    let candidates = ['\t', ';', ','];
    let first = |delimiter| lines.first().map_or(0, |line| count(line, delimiter));
    let consistent = candidates
        .into_iter()
        .find(|&delimiter| first(delimiter) > 0 && lines.iter().all(|line| count(line, delimiter) == first(delimiter)));
    consistent.or_else(|| candidates.into_iter().max_by_key(|&delimiter| first(delimiter))).unwrap_or(',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_divides_every_line_alike() {
        assert_eq!(detect_delimiter("a,b\n1,2\n"), ',');
        assert_eq!(detect_delimiter("a;b\n1,5;2,5\n"), ';');
        assert_eq!(detect_delimiter("1,5;2,5\n1,0;3,5\n"), ';');
        assert_eq!(detect_delimiter("a\tb, c\n1\t2\n"), '\t');
        assert_eq!(detect_delimiter("\"a;b\",c\n1,2\n"), ',');
        assert_eq!(detect_delimiter("a\n1\n"), ',');
    }
}
