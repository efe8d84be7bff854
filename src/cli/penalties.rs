//! `greybox penalties`: the catalogue of regularizers.

use super::Failure;
use crate::model::{ENTRIES, Entry};
use clap::Args;

/// List the penalties that a study can have: formula, units, settings, source, and when to use each.
#[derive(Args)]
#[command(after_help = "Example of a study:\n  [[penalty]]\n  kind = \"least_action\"\n  weight = 0.01")]
pub struct PenaltiesArguments {
    /// Only this kind.
    kind: Option<String>,
    /// One JSON object per penalty.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &PenaltiesArguments) -> Result<(), Failure> {
    let wanted: Vec<&Entry> = match &arguments.kind {
        None => ENTRIES.iter().collect(),
        Some(kind) => ENTRIES.iter().filter(|e| kind.strip_prefix("log_").unwrap_or(kind) == e.kind).collect(),
    };
    if let (Some(kind), []) = (&arguments.kind, &wanted[..]) {
        let known: Vec<&str> = ENTRIES.iter().map(|e| e.kind).collect();
        return Err(anyhow::anyhow!("unknown penalty `{kind}`\nhelp: use one of {}", known.join(", ")).into());
    }
    for entry in wanted {
        if arguments.json {
            let log = entry.log.then(|| format!("log_{}", entry.kind));
            println!(
                "{}",
                serde_json::json!({ "kind": entry.kind, "log": log, "formula": entry.formula, "units": entry.units,
                    "settings": entry.settings, "source": entry.source, "when": entry.when })
            );
            continue;
        }
        println!("{}", if entry.log { format!("{0}, log_{0}", entry.kind) } else { entry.kind.to_string() });
        for (name, text) in [
            ("formula", entry.formula.to_string()),
            ("units", entry.units.to_string()),
            ("settings", entry.settings.join(", ")),
            ("source", entry.source.to_string()),
            ("when", entry.when.to_string()),
        ] {
            if !text.is_empty() {
                println!("{}", wrapped(&format!("  {name:<9}{text}"), 110, 11));
            }
        }
        println!();
    }
    Ok(())
}

/// Text in lines of at most `width` letters, all but the first indented.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let last = lines.len() - 1;
        if lines[last].chars().count() + word.trim_end().chars().count() > width {
            lines.push(" ".repeat(indent));
        }
        let last = lines.len() - 1;
        lines[last].push_str(word);
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}
