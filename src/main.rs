//! The `greybox` command; see `greybox --help`.

fn main() -> std::process::ExitCode {
    greybox::cli::main()
}
