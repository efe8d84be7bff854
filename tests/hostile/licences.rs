//! Every dependency has a licence that `deny.toml` allows. `scripts/licences` looks at more.

use std::process::Command;

#[test]
fn licences_of_all_dependencies_are_allowed() {
    let root = env!("CARGO_MANIFEST_DIR");
    // Crates of other platforms have not been downloaded.
    let version = Command::new(env!("CARGO")).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let deny: toml::Table = std::fs::read_to_string(format!("{root}/deny.toml")).unwrap().parse().unwrap();
    let allowed: Vec<&str> = deny["licenses"]["allow"].as_array().unwrap().iter().filter_map(|l| l.as_str()).collect();
    // The tools have lock files of their own, which must follow those of the crate.
    for (workspace, least) in [(".", 100), ("tools/fuzz", 100), ("tools/isa", 20)] {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
            .current_dir(format!("{root}/{workspace}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{workspace}: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        assert!(packages.len() > least, "{workspace}: {} packages", packages.len());
        for package in packages {
            let licence = package["license"].as_str().unwrap_or("none");
            assert!(permits(licence, &allowed), "{workspace}: {}: {licence}", package["name"]);
        }
    }
}

/// Whether an SPDX expression of AND, OR, and the old `/` for OR, is fulfilled by licences that are allowed.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    // `(A OR B) AND C` is the only form with brackets in use: every part of AND must offer a licence that is allowed.
    let offers = |part: &str| part.split(" OR ").any(|licence| allowed.contains(&licence.trim()));
    plain.split(" AND ").all(offers)
}

#[test]
fn expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
    assert!(permits("MIT OR Apache-2.0", &allowed) && permits("Apache-2.0/GPL-3.0", &allowed));
    assert!(permits("(MIT OR GPL-3.0) AND Unicode-3.0", &allowed));
    assert!(!permits("GPL-3.0", &allowed) && !permits("MIT AND GPL-3.0", &allowed) && !permits("none", &allowed));
}
