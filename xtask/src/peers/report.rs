//! The tables for people and results.json for programs.

use std::fmt::Write as _;

use crate::peers::Options;
use crate::peers::contest::{Contest, Entrant, Measure};

type Facts<'a> = &'a [(&'static str, String)];

/// Everything that is printed: Markdown, to be pasted as a record.
pub fn tables(contest: &Contest, options: &Options, facts: Facts) -> String {
    let mut text = String::from("\n");
    for (name, value) in facts {
        text += &format!("- {name}: {value}\n");
    }
    text += &format!(
        "- batch {}, {} threads, {} rounds; others took {:.2} cores during the turns\n",
        options.batch,
        options.threads,
        options.rounds,
        contest.load.cores()
    );
    for entrant in contest.entrants() {
        text += &format!("- {}: {}\n", entrant.name, entrant.about.shown());
    }
    for measure in Measure::ALL {
        text += &table(contest, measure);
    }
    text += "\n| process | peak memory, MB | steps | last loss | test accuracy |\n|---|---|---|---|---|\n";
    for entrant in contest.entrants() {
        let trained = entrant.loss.map(|_| entrant.steps_done.to_string());
        text += &format!(
            "| {} | {} | {} | {} | {} |\n",
            entrant.name,
            shown(entrant.peak_rss_mb, 0),
            trained.unwrap_or_default(),
            shown(entrant.loss, 3),
            shown(entrant.accuracy.map(|part| part * 100.), 2),
        );
    }
    for (name, reason) in &contest.left_out {
        text += &format!("\n{name} was left out: {reason}\n");
    }
    for entrant in contest.entrants() {
        if let Some(fault) = &entrant.fault {
            text += &format!("\nNOT TO BE BELIEVED: {}: {fault}\n", entrant.name);
        }
    }
    text
}

fn table(contest: &Contest, measure: Measure) -> String {
    let heading = match measure {
        Measure::Train => {
            "| training | images/s, median | min - max | lenet is so many times as fast |"
        }
        Measure::Infer => {
            "| inference | images/s, median | min - max | lenet is so many times as fast |"
        }
        Measure::Latency => {
            "| one image | us, median | min - max | lenet is so many times as fast | 99 % within, us |"
        }
    };
    let columns = heading.matches('|').count() - 1;
    let mut text = format!("\n{heading}\n{}|\n", "|---".repeat(columns));
    let digits = usize::from(measure == Measure::Latency);
    for entrant in contest.entrants() {
        let runs = &entrant.runs[measure as usize];
        let Some((low, middle, high)) = summary(&runs.figures) else {
            continue;
        };
        let ratio = summary(&runs.ratios).map_or_else(String::new, |(low, middle, high)| {
            format!("{middle:.2} ({low:.2} - {high:.2})")
        });
        text += &format!(
            "| {} | {} | {} - {} | {ratio} |",
            entrant.name,
            grouped(middle, digits),
            grouped(low, digits),
            grouped(high, digits)
        );
        if let Some((_, p99, _)) = summary(&runs.p99) {
            text += &format!(" {} |", grouped(p99, 1));
        }
        text += "\n";
    }
    text
}

/// Smallest, median and largest.
fn summary(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (*sorted.first()?, *sorted.last()?);
    let half = sorted.len() / 2;
    let middle = if sorted.len() % 2 == 1 {
        sorted[half]
    } else {
        (sorted[half - 1] + sorted[half]) / 2.
    };
    Some((low, middle, high))
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.digits$}"))
}

/// With a comma after each three digits.
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut result = String::new();
    for (index, digit) in text.char_indices() {
        if index > 0 && index < whole && (whole - index) % 3 == 0 {
            result.push(',');
        }
        result.push(digit);
    }
    result
}

/// Every run of everyone.
pub fn json(contest: &Contest, options: &Options, facts: Facts) -> String {
    let facts: Vec<_> = facts.iter().map(|(k, v)| pair(k, &quoted(v))).collect();
    let left_out = contest.left_out.iter();
    let left_out: Vec<_> = left_out.map(|(k, v)| pair(k, &quoted(v))).collect();
    let entrants: Vec<_> = contest.entrants().map(entrant).collect();
    let fields = [
        pair("machine", &object(&facts)),
        pair("batch", &options.batch.to_string()),
        pair("threads", &options.threads.to_string()),
        pair("rounds", &options.rounds.to_string()),
        pair("quick", &options.quick.to_string()),
        pair("cores_taken_by_others", &number(contest.load.cores())),
        pair("left_out", &object(&left_out)),
        pair("entrants", &format!("[\n{}\n]", entrants.join(",\n"))),
    ];
    format!("{{\n{}\n}}\n", fields.join(",\n"))
}

fn entrant(entrant: &Entrant) -> String {
    let optional = |value: Option<f64>| value.map_or_else(|| "null".to_owned(), number);
    let mut fields = vec![
        pair("name", &quoted(entrant.name)),
        pair("about", &quoted(&entrant.about.shown())),
        pair("peak_rss_mb", &optional(entrant.peak_rss_mb)),
        pair("steps", &entrant.steps_done.to_string()),
        pair("loss", &optional(entrant.loss)),
        pair("accuracy", &optional(entrant.accuracy)),
    ];
    let fault = entrant.fault.as_deref();
    fields.push(pair(
        "fault",
        &fault.map_or_else(|| "null".to_owned(), quoted),
    ));
    for measure in Measure::ALL {
        let runs = &entrant.runs[measure as usize];
        let mut lists = vec![
            pair(measure.key(), &list(&runs.figures)),
            pair("ratios", &list(&runs.ratios)),
        ];
        if !runs.p99.is_empty() {
            lists.push(pair("p99_us", &list(&runs.p99)));
        }
        let name = format!("{measure:?}").to_lowercase();
        fields.push(pair(&name, &object(&lists)));
    }
    object(&fields)
}

fn object(pairs: &[String]) -> String {
    format!("{{{}}}", pairs.join(", "))
}

fn pair(key: &str, value: &str) -> String {
    format!("{}: {value}", quoted(key))
}

fn list(values: &[f64]) -> String {
    let values: Vec<_> = values.iter().copied().map(number).collect();
    format!("[{}]", values.join(", "))
}

/// JSON has no word for a number that is none.
fn number(value: f64) -> String {
    if value.is_finite() {
        format!("{value}")
    } else {
        "null".to_owned()
    }
}

fn quoted(text: &str) -> String {
    let mut result = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => result.extend(['\\', character]),
            control if control.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(result, "\\u{:04x}", u32::from(control));
            }
            other => result.push(other),
        }
    }
    result + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(summary(&[]), None);
        assert_eq!(summary(&[3., 1., 2.]), Some((1., 2., 3.)));
        assert_eq!(summary(&[4., 1., 2., 3.]), Some((1., 2.5, 4.)));
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(grouped(1234567.8, 0), "1,234,568");
        assert_eq!(grouped(123.4, 0), "123");
        assert_eq!(grouped(1234.56, 1), "1,234.6");
    }

    #[test]
    fn json_is_escaped() {
        assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c\u000a""#);
        assert_eq!(number(f64::NAN), "null");
        assert_eq!(list(&[1., 2.5]), "[1, 2.5]");
    }
}
