//! Numbers as people read them. A number that is none is a dash.

/// What stands where there is no value.
pub(super) const NONE: &str = "–";

/// With a comma at each thousand.
pub(super) fn count(value: u64) -> String {
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

/// A fraction in 0..=1 as per cent. Never rounded up to 100: a claim of no error at all must be true.
pub(super) fn percent(fraction: Option<f64>) -> String {
    match fraction.filter(|fraction| fraction.is_finite()) {
        Some(fraction) if fraction < 1.0 && fraction > 0.999_95 => "99.99 %".to_owned(),
        Some(fraction) => format!("{:.2} %", 100.0 * fraction),
        None => NONE.to_owned(),
    }
}

/// A loss with four decimals, or in powers of ten where they would not do.
pub(super) fn loss(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) if value.abs() >= 1e4 => format!("{value:.2e}"),
        Some(value) => format!("{value:.4}"),
        None => NONE.to_owned(),
    }
}

/// A probability with one decimal; one that is neither 0 nor 1 is not rounded to it.
pub(super) fn probability(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) if value > 0.0 && value < 0.000_5 => "< 0.1 %".to_owned(),
        Some(value) if (0.999_5..1.0).contains(&value) => "> 99.9 %".to_owned(),
        Some(value) => format!("{:.1} %", 100.0 * value),
        None => NONE.to_owned(),
    }
}

/// A loss with two decimals, where it stands beside a picture.
pub(super) fn short_loss(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) => format!("{value:.2}"),
        None => NONE.to_owned(),
    }
}

/// A learning rate with up to three digits that count.
pub(super) fn rate(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    if value != 0.0 && value.abs() < 1e-4 {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number without decimals, images per second for example.
pub(super) fn whole(value: f64) -> String {
    if value.is_finite() && (0.0..1e15).contains(&value) {
        count(value.round() as u64)
    } else {
        NONE.to_owned()
    }
}

/// Seconds with one decimal, or two below ten.
pub(super) fn seconds(value: f64) -> String {
    if !value.is_finite() {
        NONE.to_owned()
    } else if value.abs() < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.1}")
    }
}

/// A time in seconds, minutes or hours, whichever reads best.
pub(super) fn duration(value: f64) -> String {
    if !value.is_finite() || !(0.0..1e12).contains(&value) {
        return NONE.to_owned();
    }
    if value < 60.0 {
        return format!("{} s", seconds(value));
    }
    let whole = value.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours} h {minutes:02} min")
    } else {
        format!("{minutes} min {seconds:02} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        let texts = [0, 999, 1000, 61_706, 1_234_567].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "61,706", "1,234,567"]);
    }

    #[test]
    fn only_a_perfect_fraction_is_100_percent() {
        let texts = [
            Some(1.0),
            Some(0.99999),
            Some(0.98765),
            Some(0.0),
            Some(f64::NAN),
            None,
        ]
        .map(percent);
        assert_eq!(
            texts,
            ["100.00 %", "99.99 %", "98.77 %", "0.00 %", "–", "–"]
        );
    }

    #[test]
    fn a_probability_is_0_or_100_percent_only_where_it_is() {
        let texts = [
            0.0,
            1e-9,
            0.000_5,
            0.123_4,
            0.999_5,
            0.999_51,
            1.0,
            f64::NAN,
        ]
        .map(|value| probability(Some(value)));
        assert_eq!(
            texts,
            [
                "0.0 %", "< 0.1 %", "0.1 %", "12.3 %", "> 99.9 %", "> 99.9 %", "100.0 %", "–"
            ]
        );
    }

    #[test]
    fn losses_rates_and_times_are_short() {
        assert_eq!(
            [Some(0.04321), Some(3e9), None].map(loss),
            ["0.0432", "3.00e9", "–"]
        );
        assert_eq!(
            [0.001, 1e-5, 0.0, 0.1].map(rate),
            ["0.001", "1.00e-5", "0", "0.1"]
        );
        assert_eq!(
            [12_345.6, -1.0, f64::INFINITY].map(whole),
            ["12,346", "–", "–"]
        );
        assert_eq!(
            [0.5, 59.94, 61.2, 7325.0, f64::NAN].map(duration),
            ["0.50 s", "59.9 s", "1 min 01 s", "2 h 02 min", "–"]
        );
    }
}
