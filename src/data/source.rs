//! Which files a data set is made of.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use super::config::DataConfig;
use super::error::{DataError, present};

/// The files to read, in order. `override_path` (from the command line, relative to where it was called) takes the place
/// of the study's `path`, which is relative to `base`.
pub fn files(config: &DataConfig, base: &Path, override_path: Option<&Path>) -> Result<Vec<PathBuf>, DataError> {
    let path = match (override_path, &config.path) {
        (Some(path), _) => path.to_path_buf(),
        (None, Some(path)) => base.join(path),
        (None, None) => {
            let problem = "there is no file to read";
            return Err(DataError::config("path", problem, "give path = \"FILE or FOLDER\" or call with --data PATH"));
        }
    };
    let metadata = fs::metadata(&path).map_err(|error| DataError::unreadable(&path, error))?;
    if metadata.is_dir() {
        return folder(config, &path);
    }
    if config.files.is_some() || !config.exclude.is_empty() {
        let key = if config.files.is_some() { "files" } else { "exclude" };
        let problem = format!("{} is a file, not a folder", path.display());
        return Err(DataError::config(key, problem, "leave the key out, or let path name the folder"));
    }
    Ok(vec![path])
}

/// Whether the name ends in `.npz`, `.csv` or `.tsv`.
fn is_table(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or("");
    ["npz", "csv", "tsv"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn folder(config: &DataConfig, path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = fs::read_dir(path).map_err(|error| DataError::unreadable(path, error))?;
    let mut present_names = Vec::new();
    for entry in entries {
        let name =
            entry.map_err(|error| DataError::unreadable(path, error))?.file_name().to_string_lossy().into_owned();
        if is_table(&name) && !name.starts_with('.') {
            present_names.push(name);
        }
    }
    present_names.sort_by(|a, b| natural_order(a, b));
    for (key, names) in [("files", config.files.as_deref().unwrap_or(&[])), ("exclude", &config.exclude)] {
        for (index, name) in names.iter().enumerate() {
            if !present_names.contains(name) {
                let problem = format!("{} holds no data file \"{name}\"", path.display());
                let remedy = present("files", name, present_names.iter().map(String::as_str));
                return Err(DataError::config(key, problem, remedy));
            }
            if names[..index].contains(name) {
                return Err(DataError::config(key, format!("\"{name}\" is listed twice"), "list it once"));
            }
        }
    }
    let mut names = config.files.clone().unwrap_or(present_names);
    names.retain(|name| !config.exclude.contains(name));
    if names.is_empty() {
        let reason = "no .npz, .csv or .tsv file is left to read in this folder";
        return Err(DataError::read(path, reason, "look at path, files and exclude in [data]"));
    }
    Ok(names.into_iter().map(|name| path.join(name)).collect())
}

/// Compares names so that runs of digits count as numbers: `C2` comes before `C10`.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (digits_a, digits_b) = (leading_digits(rest_a), leading_digits(rest_b));
        if !digits_a.is_empty() && !digits_b.is_empty() {
            let (number_a, number_b) = (digits_a.trim_start_matches('0'), digits_b.trim_start_matches('0'));
            let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
            if order != Ordering::Equal {
                return order;
            }
            (rest_a, rest_b) = (&rest_a[digits_a.len()..], &rest_b[digits_b.len()..]);
            continue;
        }
        match (rest_a.chars().next(), rest_b.chars().next()) {
            (Some(x), Some(y)) if x == y => {
                (rest_a, rest_b) = (&rest_a[x.len_utf8()..], &rest_b[y.len_utf8()..]);
            }
            // `01` and `1` are equal as numbers: the text decides, so that the order is total.
            (None, None) => return a.cmp(b),
            (x, y) => return x.cmp(&y),
        }
    }
}

fn leading_digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_count_as_numbers() {
        let mut names = ["C10.csv", "C1.csv", "b.csv", "C2.csv", "C01.csv", "C.csv"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["C.csv", "C01.csv", "C1.csv", "C2.csv", "C10.csv", "b.csv"]);
    }
}
