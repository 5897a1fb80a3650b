//! Numbers as people read them: the filters of the templates. A number that is missing or not finite
//! is a dash.

/// What is shown if there is no value.
pub(crate) const NONE: &str = "–";

fn finite(value: Option<f64>, text: impl Fn(f64) -> String) -> String {
    value
        .filter(|value| value.is_finite())
        .map_or_else(|| NONE.to_owned(), text)
}

/// With a comma at each thousand.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A name of at most this many characters.
pub(crate) fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most - 1).chain(['…']).collect()
}

/// A class without a name is called by its number.
pub(crate) fn class_name(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or(class.to_string())
}

/// `1 thread`, `2 threads`.
pub(crate) fn plural(value: u64, noun: &str) -> String {
    let ending = if value == 1 { "" } else { "s" };
    format!("{value} {noun}{ending}")
}

/// A fraction in 0..=1 as per cent.
pub(crate) fn percent(fraction: Option<f64>) -> String {
    finite(fraction, lenet_run::percent)
}

/// The same of a ratio, which is not applicable if its denominator is zero.
pub(crate) fn ratio(fraction: Option<f64>) -> String {
    match fraction {
        Some(_) => percent(fraction),
        None => "n/a".to_owned(),
    }
}

/// A probability with one decimal; one that is neither 0 nor 1 is not rounded to it.
pub(crate) fn probability(value: Option<f64>) -> String {
    finite(value, |value| {
        if value > 0.0 && value < 0.000_5 {
            "< 0.1 %".to_owned()
        } else if (0.999_5..1.0).contains(&value) {
            "> 99.9 %".to_owned()
        } else {
            format!("{:.1} %", 100.0 * value)
        }
    })
}

/// A loss with four decimals, or in powers of ten if it is too large for them.
pub(crate) fn loss(value: Option<f64>) -> String {
    finite(value, |value| {
        if value.abs() >= 1e4 {
            format!("{value:.2e}")
        } else {
            format!("{value:.4}")
        }
    })
}

/// A number with this many decimals.
pub(crate) fn fixed(value: Option<f64>, decimals: usize) -> String {
    finite(value, |value| format!("{value:.decimals$}"))
}

/// A learning rate with up to three significant digits.
pub(crate) fn rate(value: Option<f64>) -> String {
    finite(value, |value| {
        if value != 0.0 && value.abs() < 1e-4 {
            return format!("{value:.2e}");
        }
        let text = format!("{value:.6}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    })
}

/// A number without decimals, images per second for example.
pub(crate) fn whole(value: Option<f64>) -> String {
    let value = value.filter(|value| (0.0..1e15).contains(value));
    finite(value, |value| count(value.round() as u64))
}

/// Seconds with one decimal, or two below ten.
pub(crate) fn seconds(value: Option<f64>) -> String {
    finite(value, |value| {
        let decimals = if value.abs() < 10.0 { 2 } else { 1 };
        format!("{value:.decimals$}")
    })
}

/// A time in seconds, minutes or hours, whichever reads best.
pub(crate) fn duration(value: Option<f64>) -> String {
    let value = value.filter(|value| (0.0..1e12).contains(value));
    finite(value, |value| {
        if value < 60.0 {
            return format!("{} s", seconds(Some(value)));
        }
        let whole = value.round() as u64;
        let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
        if hours > 0 {
            format!("{hours} h {minutes:02} min")
        } else {
            format!("{minutes} min {seconds:02} s")
        }
    })
}

/// `2026-11-25T09:30:00Z` as people write it.
pub(crate) fn time(value: &str) -> String {
    value.replacen('T', " ", 1).replace('Z', " UTC")
}

/// The mean and the standard deviation, with n - 1 in the denominator.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.)).sqrt())
}

/// Mean ± standard deviation, or the one value if there is no more.
pub fn spread(values: &[f64], decimals: usize, unit: &str) -> String {
    let (mean, deviation) = moments(values);
    let number = |value: f64| match decimals {
        0 => whole(Some(value)),
        _ => fixed(Some(value), decimals),
    };
    match values.len() {
        0 => NONE.to_owned(),
        1 => format!("{}{unit} (one run)", number(mean)),
        _ => format!("{} ± {}{unit}", number(mean), number(deviation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well_and_never_claim_too_much() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        let not_a_number = Some(f64::NAN);
        for (format, value, text) in [
            (percent as fn(Option<f64>) -> String, Some(1.0), "100.00 %"),
            (percent, Some(0.99999), "99.99 %"),
            (percent, Some(0.98765), "98.77 %"),
            (percent, None, "–"),
            (ratio, None, "n/a"),
            (probability, Some(0.0), "0.0 %"),
            (probability, Some(1e-9), "< 0.1 %"),
            (probability, Some(0.999_51), "> 99.9 %"),
            (probability, Some(1.0), "100.0 %"),
            (loss, Some(0.04321), "0.0432"),
            (loss, Some(3e9), "3.00e9"),
            (rate, Some(0.001), "0.001"),
            (rate, Some(1e-5), "1.00e-5"),
            (rate, Some(0.0), "0"),
            (whole, Some(12_345.6), "12,346"),
            (whole, Some(-1.0), "–"),
            (duration, Some(0.5), "0.50 s"),
            (duration, Some(59.94), "59.9 s"),
            (duration, Some(61.2), "1 min 01 s"),
            (duration, Some(7325.0), "2 h 02 min"),
        ] {
            assert_eq!(format(value), text);
            assert_eq!(format(not_a_number), "–");
        }
    }

    #[test]
    fn a_spread_is_that_of_a_sample() {
        // R: mean(c(98.85, 98.79, 98.89)); sd(c(98.85, 98.79, 98.89))
        assert_eq!(spread(&[98.85, 98.79, 98.89], 3, " %"), "98.843 ± 0.050 %");
        assert_eq!(spread(&[2.0], 1, ""), "2.0 (one run)");
        assert_eq!(spread(&[], 1, ""), "–");
    }
}
