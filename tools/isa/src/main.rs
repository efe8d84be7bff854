//! `greybox-isa`: compiles the compute kernels of WGSL files with a Vulkan driver and prints the statistics it reports.
//!
//! The driver is the first that the Vulkan loader finds. Mesa's RADV compiles for a chip that is not there when the
//! environment names one:
//! `RADV_FORCE_FAMILY=navi21 VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/radeon_icd.x86_64.json`.

mod assembly;
mod driver;
mod kernel;

use anyhow::{Context, Result};
use assembly::{Assembly, Counts};
use clap::Parser;
use driver::{Driver, Executable};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compile the compute kernels of WGSL files with the Vulkan driver and print its statistics, a line per kernel.
#[derive(Parser)]
#[command(after_help = "Example (an AMD chip that need not be there):\n  RADV_FORCE_FAMILY=navi21 \
    VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/radeon_icd.x86_64.json greybox-isa kernels/*.wgsl --markdown")]
struct Arguments {
    /// WGSL files; each compute entry point is a kernel
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print a Markdown table instead of tab-separated values
    #[arg(long)]
    markdown: bool,
    /// Leave out the checks of indices, loops and divisors that wgpu adds to modules it does not trust
    #[arg(long)]
    unchecked: bool,
    /// Also write each kernel's SPIR-V to this folder, as FILE.ENTRY.spv
    #[arg(long, value_name = "DIR")]
    spirv: Option<PathBuf>,
    /// Also write each kernel's instructions, as the driver disassembles them, to this folder, as FILE.ENTRY.s
    #[arg(long, value_name = "DIR")]
    assembly: Option<PathBuf>,
    /// Print what the driver says of each statistic instead of the table
    #[arg(long)]
    describe: bool,
}

/// A line of the table.
struct Row {
    file: String,
    entry: String,
    executable: Executable,
}

fn main() -> ExitCode {
    match report(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("greybox-isa: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn report(arguments: &Arguments) -> Result<()> {
    let driver = Driver::open()?;
    let mut rows = Vec::new();
    for path in &arguments.files {
        rows.extend(compile(&driver, path, arguments).with_context(|| path.display().to_string())?);
    }
    if arguments.describe {
        print!("{}", describe(&rows));
    } else {
        print!("{}", table(&driver, &rows, arguments.markdown));
    }
    Ok(())
}

fn compile(driver: &Driver, path: &Path, arguments: &Arguments) -> Result<Vec<Row>> {
    let source = std::fs::read_to_string(path)?;
    let file = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let target = kernel::Target { buffers_are_robust: driver.buffers_are_robust(), unchecked: arguments.unchecked };
    let mut rows = Vec::new();
    for kernel in kernel::compile(&source, target)? {
        if let Some(folder) = &arguments.spirv {
            std::fs::create_dir_all(folder)?;
            let bytes: Vec<u8> = kernel.spirv.iter().flat_map(|word| word.to_le_bytes()).collect();
            std::fs::write(folder.join(format!("{file}.{}.spv", kernel.entry)), bytes)?;
        }
        let executables = driver.statistics(&kernel).with_context(|| format!("entry point {}", kernel.entry))?;
        if let Some(folder) = &arguments.assembly {
            let text: String = executables.iter().map(|executable| executable.assembly.as_str()).collect();
            std::fs::write(folder.join(format!("{file}.{}.s", kernel.entry)), text)?;
        }
        rows.extend(executables.into_iter().map(|executable| Row {
            file: file.clone(),
            entry: kernel.entry.clone(),
            executable,
        }));
    }
    Ok(rows)
}

/// Classes of instructions, in columns of the whole program and of its product loop.
const CLASSES: [&str; 5] = ["multiply-adds", "vector", "scalar", "shared", "memory"];

/// One column per statistic, in the order in which the driver first names them, then counts by class of instruction.
fn table(driver: &Driver, rows: &[Row], markdown: bool) -> String {
    let mut names: Vec<&str> = Vec::new();
    for statistic in rows.iter().flat_map(|row| &row.executable.statistics) {
        if !names.contains(&statistic.name.as_str()) {
            names.push(&statistic.name);
        }
    }
    let mut lines = vec![["kernel", "entry", "family", "driver", "Subgroup size"].map(String::from).to_vec()];
    lines[0].extend(names.iter().map(|name| name.to_string()));
    lines[0].extend(["", "loop "].iter().flat_map(|place| CLASSES.map(|class| format!("{place}{class}"))));
    for Row { file, entry, executable } in rows {
        let mut line = vec![file.clone(), entry.clone(), driver.family(), driver.name().to_string()];
        line.push(executable.subgroup_size.to_string());
        for name in &names {
            let value = executable.statistics.iter().find(|statistic| statistic.name == *name);
            line.push(value.map(|statistic| statistic.value.clone()).unwrap_or_default());
        }
        let assembly = Assembly::parse(&executable.assembly);
        for counts in [assembly.whole(), assembly.product_loop().unwrap_or_default()] {
            let Counts { multiply_adds, vector, scalar, shared, memory } = counts;
            line.extend([multiply_adds, vector, scalar, shared, memory].map(|count| count.to_string()));
        }
        lines.push(line);
    }
    if markdown {
        let rule = lines[0].iter().enumerate().map(|(column, _)| if column < 4 { "---" } else { "--:" }.to_string());
        lines.insert(1, rule.collect());
        lines.iter().map(|line| format!("| {} |\n", line.join(" | "))).collect()
    } else {
        lines.iter().map(|line| format!("{}\n", line.join("\t"))).collect()
    }
}

fn describe(rows: &[Row]) -> String {
    let statistics = rows.first().map(|row| row.executable.statistics.as_slice()).unwrap_or_default();
    statistics.iter().map(|statistic| format!("{}\t{}\n", statistic.name, statistic.description)).collect()
}
