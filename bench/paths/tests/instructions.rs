//! Counts the instructions of the core's hot paths and compares them with those
//! in `instructions.toml`. It never looks at a clock, so a busy machine changes
//! nothing.
//!
//! After an intended change, this writes the file anew:
//! `LARDER_INSTRUCTIONS=write cargo test -p larder-paths --features instructions`

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use larder_paths::TIMES;
use serde::Deserialize;
use serde_json::Value;

/// How far a count may be off, either way: an improvement that isn't written
/// down could be lost again unseen. Runs agree to the last instruction, and so
/// do builds in other folders; this leaves room for another C library, whose
/// `malloc` and `memcpy` are counted too, and for what isn't worth anybody's
/// time.
const TOLERANCE_PERCENT: f64 = 3.0;

const RENEW: &str = "LARDER_INSTRUCTIONS=write cargo test -p larder-paths --features instructions";

/// The file, and what counts depend on beside the code.
#[derive(Deserialize)]
struct Expected {
    rustc: String,
    architecture: String,
    /// Instructions each time, by path.
    paths: BTreeMap<String, f64>,
}

type Counts = Vec<(String, f64)>;

#[test]
fn hot_paths_take_as_many_instructions_as_expected() {
    let writes = env::var("LARDER_INSTRUCTIONS").is_ok_and(|what| what == "write");
    for program in ["valgrind", "gungraun-runner"] {
        if !is_installed(program) {
            assert!(!writes, "{program} is not installed");
            eprintln!("skipped: instruction counts: {program} is not installed");
            return;
        }
    }
    let (rustc, architecture) = (rustc_version(), env::consts::ARCH);
    let counts = counts();
    if writes {
        fs::write(file(), written(&rustc, architecture, &counts)).expect("the file is writable");
        return;
    }
    let text = fs::read_to_string(file()).expect("instructions.toml is there");
    let expected: Expected = toml::from_str(&text).expect("instructions.toml is well formed");
    if (&*expected.rustc, &*expected.architecture) != (&*rustc, architecture) {
        for (path, count) in &counts {
            println!("{path:<36} {count:>9.1}");
        }
        eprintln!(
            "skipped: comparing instruction counts: those expected are of rustc {} on {}, \
             these of rustc {rustc} on {architecture}",
            expected.rustc, expected.architecture
        );
        return;
    }
    let wrong = wrong(&expected.paths, &counts);
    assert!(wrong.is_empty(), "{wrong}If that is intended: {RENEW}");
}

/// Prints all counts beside what is expected; what is wrong, a line each.
fn wrong(expected: &BTreeMap<String, f64>, counts: &[(String, f64)]) -> String {
    let mut wrong = String::new();
    println!("{:<36} {:>9} {:>9}", "instructions each time", "expected", "counted");
    for (path, count) in counts {
        let Some(before) = expected.get(path) else {
            let _ = writeln!(wrong, "{path}: {count:.1} instructions, none are expected");
            continue;
        };
        let percent = (count / before - 1.0) * 100.0;
        println!("{path:<36} {before:>9.1} {count:>9.1} {percent:>+7.2} %");
        if percent.abs() > TOLERANCE_PERCENT {
            let _ = writeln!(
                wrong,
                "{path}: {count:.1} instructions, {before:.1} are expected: {percent:+.1} %, \
                 and {TOLERANCE_PERCENT} % are allowed"
            );
        }
    }
    for path in expected.keys().filter(|path| counts.iter().all(|(other, _)| other != *path)) {
        let _ = writeln!(wrong, "{path}: expected, but there is no such path");
    }
    wrong
}

/// Counts, in the release build as it is: flags of the user's are left out.
fn counts() -> Counts {
    let output = Command::new(env!("CARGO"))
        .args(["bench", "-p", "larder-paths", "--features", "instructions"])
        .args(["--bench", "instructions", "--", "--parallel=auto", "--output-format=json"])
        .current_dir(root())
        .env("PATH", search_path())
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo is there");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the counts failed:\n{errors}");
    let summaries = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let mut totals: BTreeMap<usize, u64> =
        summaries.map(|summary| total(&summary.expect("a summary is JSON"))).collect();
    let paths = larder_paths::all();
    let each = |(number, path): (usize, &larder_paths::Path)| {
        let total = totals.remove(&number).expect("every path was counted");
        (path.name().to_owned(), total as f64 / TIMES as f64)
    };
    paths.iter().enumerate().map(each).collect()
}

/// A path's place in the list, which the bench has in its name, and the
/// instructions of its walk.
fn total(summary: &Value) -> (usize, u64) {
    let number = summary["id"].as_str().and_then(|id| id.strip_prefix("all_")?.parse().ok());
    let count = &summary["profiles"][0]["data"]["total"]["metrics"]["Ir"]["values"]["new"];
    number.zip(count.as_u64()).unwrap_or_else(|| panic!("no count in {summary}"))
}

fn written(rustc: &str, architecture: &str, counts: &[(String, f64)]) -> String {
    let mut text = format!(
        "# How many instructions the core's hot paths take each time. Written by\n\
         # {RENEW}\n\n\
         rustc = \"{rustc}\"\narchitecture = \"{architecture}\"\n\n[paths]\n"
    );
    for (path, count) in counts {
        let _ = writeln!(text, "\"{path}\" = {count:.1}");
    }
    text
}

/// The compiler of this folder, such as 1.95.0.
fn rustc_version() -> String {
    let output = Command::new("rustc")
        .arg("--version")
        .current_dir(root())
        .output()
        .expect("rustc is there");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split(' ').nth(1).expect("rustc says its version").to_owned()
}

fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").env("PATH", search_path());
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// With what `./test` builds in front.
fn search_path() -> OsString {
    let tools = root().join("target/tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(tools).chain(env::split_paths(&path))).expect("no odd names")
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml")
}

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
