//! Trains every recipe with several seeds, as sweeps, and tabulates what README claims of them.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, ExitCode, Stdio};
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run::{Workspace, output};
use crate::usage_error;

/// The recipes with the number of seeds, from 1 on, that README's figures are of.
const RECIPES: [(&str, u32); 4] = [("classic", 5), ("fast", 20), ("best", 5), ("fashion", 3)];

/// `cargo xtask claims [--recipe NAME] [--seeds N] [-- ARGS]`.
pub fn main(workspace: &Workspace, arguments: Vec<OsString>) -> Result<ExitCode> {
    let mut chosen = RECIPES.to_vec();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next().filter(|argument| argument != "--") {
        let value = arguments.next().unwrap_or_default();
        let value = value.to_string_lossy();
        match (argument.to_str(), value.parse::<u32>()) {
            (Some("--recipe"), _) => chosen.retain(|(recipe, _)| *recipe == value),
            (Some("--seeds"), Ok(1..)) => {
                let seeds = value.parse()?;
                chosen.iter_mut().for_each(|(_, own)| *own = seeds);
            }
            _ => chosen.clear(),
        }
    }
    if chosen.is_empty() {
        let message = "claims takes --recipe classic, fast, best or fashion, --seeds N and -- ARGS \
                       of `lenet sweep`";
        return Ok(usage_error("claims", message));
    }
    let passed_on: Vec<OsString> = arguments.collect();
    let program = workspace.build_program("release")?;
    // One at a time on all cores, so that the times are those of a training by itself.
    let threads = available_parallelism()?.to_string();
    let mut table = String::new();
    for (recipe, seeds) in chosen {
        let folder = workspace.empty_folder(&format!("claims/{recipe}"))?;
        let file = folder.join("sweep.toml");
        fs::write(&file, format!("recipe = {recipe:?}\nseeds = {seeds}\n"))?;
        let mut command = Command::new(&program);
        command
            .args("sweep --jobs 1 --format json --keep result --threads".split(' '))
            .args([&threads, "--output"])
            .arg(folder.join("runs"))
            .arg(file)
            .args(&passed_on)
            .stderr(Stdio::inherit());
        let setting: Value = serde_json::from_str(&output(&mut command)?)?;
        let values = |name: &str| -> Result<Vec<f64>> {
            let values = setting[name].as_array();
            let values = values.context("a sweep without results")?.iter();
            Ok(values.filter_map(Value::as_f64).collect())
        };
        table += &row(recipe, &values("test")?, &values("train_seconds")?);
    }
    println!(
        "| recipe | seeds | test accuracy, % | least - most | training, s |\n\
         |---|---|---|---|---|\n{}",
        table.trim_end()
    );
    Ok(ExitCode::SUCCESS)
}

/// Mean and sample standard deviation of the accuracies, median of the times.
fn row(recipe: &str, percent: &[f64], seconds: &[f64]) -> String {
    let count = percent.len() as f64;
    let mean = percent.iter().sum::<f64>() / count;
    let squares: f64 = percent.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (count - 1.).max(1.)).sqrt();
    let least = percent.iter().copied().fold(f64::INFINITY, f64::min);
    let most = percent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut seconds = seconds.to_vec();
    seconds.sort_by(f64::total_cmp);
    let median = (seconds[(seconds.len() - 1) / 2] + seconds[seconds.len() / 2]) / 2.;
    format!(
        "| {recipe} | {} | {mean:.2} ± {deviation:.2} | {least:.2} - {most:.2} | {median:.2} |\n",
        percent.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        // The deviation is the root of 2 / 3.
        assert_eq!(
            row("fast", &[99., 98., 97., 98.], &[1., 4., 2., 3.]),
            "| fast | 4 | 98.00 ± 0.82 | 97.00 - 99.00 | 2.50 |\n"
        );
    }
}
