//! Trains every recipe with several seeds and tabulates what comes out.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::run::Workspace;
use crate::usage_error;

/// The recipes with the number of seeds, from 1 on, that README's figures are of.
const RECIPES: [(&str, u32); 4] = [("classic", 5), ("fast", 20), ("best", 5), ("fashion", 3)];

/// What a run came to.
struct Run {
    accuracy: f64,
    train_seconds: f64,
    /// From the start of the process to its end, evaluation and pictures included.
    seconds: f64,
}

/// `cargo xtask reproduce [--recipe NAME] [--seeds N] [-- ARGS]`.
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
        let message =
            "reproduce takes --recipe classic, fast, best or fashion, --seeds N and -- ARGS";
        return Ok(usage_error("reproduce", message));
    }
    let passed_on: Vec<OsString> = arguments.collect();
    let program = workspace.build_program("release")?;
    let mut table = String::new();
    for (recipe, seeds) in chosen {
        let mut runs = Vec::new();
        for seed in 1..=seeds {
            let run = train(workspace, &program, recipe, seed, &passed_on)
                .with_context(|| format!("{recipe}, seed {seed}"))?;
            eprintln!(
                "{recipe}, seed {seed}: {:.2} %, trained in {:.2} s, process {:.2} s",
                100. * run.accuracy,
                run.train_seconds,
                run.seconds
            );
            runs.push(run);
        }
        table += &row(recipe, &runs);
    }
    println!(
        "| recipe | seeds | test accuracy, % | least - most | training, s | process, s |\n\
         |---|---|---|---|---|---|\n{}",
        table.trim_end()
    );
    Ok(ExitCode::SUCCESS)
}

fn train(
    workspace: &Workspace,
    program: &Path,
    recipe: &str,
    seed: u32,
    passed_on: &[OsString],
) -> Result<Run> {
    let output = workspace.empty_folder(&format!("reproduce/{recipe}-{seed}"))?;
    let mut command = Command::new(program);
    command
        .args(["train", "--quiet", "--format", "json", "--recipe", recipe])
        .args(["--seed", &seed.to_string(), "--output"])
        .arg(output.join("run"))
        .args(passed_on);
    let begun = Instant::now();
    let run = command.stderr(Stdio::inherit()).output()?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(run.status.success(), "{}", run.status);
    let summary: Value = serde_json::from_slice(&run.stdout)?;
    let number = |path: &str| summary.pointer(path).and_then(Value::as_f64);
    Ok(Run {
        accuracy: number("/test/accuracy").context("the summary has no accuracy")?,
        train_seconds: number("/train_seconds").context("the summary has no time")?,
        seconds,
    })
}

/// Mean and sample standard deviation of the accuracies, medians of the times.
fn row(recipe: &str, runs: &[Run]) -> String {
    let percent: Vec<f64> = runs.iter().map(|run| 100. * run.accuracy).collect();
    let (mean, deviation) = mean_and_deviation(&percent);
    let least = percent.iter().copied().fold(f64::INFINITY, f64::min);
    let most = percent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let median = |time: fn(&Run) -> f64| {
        let mut times: Vec<f64> = runs.iter().map(time).collect();
        times.sort_by(f64::total_cmp);
        (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.
    };
    format!(
        "| {recipe} | {} | {mean:.2} ± {deviation:.2} | {least:.2} - {most:.2} | {:.2} | {:.2} |\n",
        runs.len(),
        median(|run| run.train_seconds),
        median(|run| run.seconds)
    )
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.).max(1.)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let run = |accuracy, train_seconds| Run {
            accuracy,
            train_seconds,
            seconds: 2. * train_seconds,
        };
        let runs = [run(0.99, 1.), run(0.98, 4.), run(0.97, 2.), run(0.98, 3.)];
        // The deviation is the root of 2 / 3.
        assert_eq!(
            row("fast", &runs),
            "| fast | 4 | 98.00 ± 0.82 | 97.00 - 99.00 | 2.50 | 5.00 |\n"
        );
        assert_eq!(mean_and_deviation(&[5.]), (5., 0.));
    }
}
