//! How numbers are written, in tables, captions and on axes alike.

/// Significant digits of a number in a table.
const SIGNIFICANT: usize = 4;

/// Formats a value for a reader: four significant digits, no trailing zeros, powers of ten outside of 0.001 … 999 999.
///
/// Whole numbers in that range are written in full. A value that is not a number becomes an en dash and infinities become `∞`,
/// so the result is safe to place anywhere.
pub fn number(value: f64) -> String {
    if let Some(word) = special(value) {
        return word;
    }
    // Negative zero has no place in a table.
    if value == 0.0 {
        return "0".into();
    }
    if value.fract() == 0.0 && value.abs() < 1e6 {
        return minus(&format!("{value:.0}"));
    }
    significant(value, SIGNIFICANT)
}

/// Formats a tick of an axis with the given step, so that all ticks of the axis show the same decimals.
///
/// `largest` is the largest magnitude on the axis and decides between decimals and powers of ten for all of its ticks.
pub(crate) fn tick(value: f64, step: f64, largest: f64) -> String {
    // Multiples of the step that should be zero come out as a rounding error.
    if value.abs() < step * 1e-6 {
        return "0".into();
    }
    let step_exponent = (step.log10() + 1e-9).floor() as i32;
    if (1e-3..1e6).contains(&largest) {
        return minus(&format!("{value:.*}", (-step_exponent).clamp(0, 14) as usize));
    }
    let exponent = value.abs().log10().floor() as i32;
    significant(value, (exponent - step_exponent + 1).clamp(1, 14) as usize)
}

/// Formats a power of ten for a logarithmic axis: `0.1`, `1`, `10`, and `10⁻³` beyond.
pub(crate) fn power_of_ten(exponent: i32) -> String {
    match exponent {
        -2 => "0.01".into(),
        -1 => "0.1".into(),
        0 => "1".into(),
        1 => "10".into(),
        2 => "100".into(),
        _ => format!("10{}", superscript(exponent)),
    }
}

/// Formats a span of time given in seconds: `850 ms`, `12.3 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return special(f64::NAN).unwrap_or_default();
    }
    match seconds {
        s if s < 1e-3 => format!("{} µs", number(s * 1e6)),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{s:.1} s"),
        s if s < 3599.5 => {
            let whole = s.round() as u64;
            format!("{} min {} s", whole / 60, whole % 60)
        }
        s => {
            let minutes = (s / 60.0).round() as u64;
            format!("{} h {} min", minutes / 60, minutes % 60)
        }
    }
}

/// The words for values that have no digits.
fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("–".into())
    } else if value == f64::INFINITY {
        Some("∞".into())
    } else if value == f64::NEG_INFINITY {
        Some("−∞".into())
    } else {
        None
    }
}

/// A finite value rounded to `digits` significant digits.
fn significant(value: f64, digits: usize) -> String {
    // Rounding first settles the exponent: 999 999.6 is 10⁶, not 1 000 000 written with the exponent of 999 999.
    let rounded = format!("{value:.*e}", digits.max(1) - 1);
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-3..6).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        return minus(trimmed(&format!("{value:.decimals$}")));
    }
    match trimmed(mantissa) {
        "1" => format!("10{}", superscript(exponent)),
        "-1" => format!("−10{}", superscript(exponent)),
        mantissa => format!("{}×10{}", minus(mantissa), superscript(exponent)),
    }
}

/// Drops zeros after the decimal point that say nothing.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Replaces the hyphen by the minus sign, which has the width of a digit.
fn minus(text: &str) -> String {
    text.replace('-', "−")
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    exponent
        .to_string()
        .chars()
        .map(|character| match character.to_digit(10) {
            Some(digit) => DIGITS[digit as usize],
            None => '⁻',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let table = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (10.4, "10.4"),
            (9.6543, "9.654"),
            (-2.5, "−2.5"),
            (0.00118, "0.00118"),
            (0.000118, "1.18×10⁻⁴"),
            (1e-7, "10⁻⁷"),
            (-1e-7, "−10⁻⁷"),
            (123456.0, "123456"),
            (123456.7, "123457"),
            (999999.7, "10⁶"),
            (1234567.0, "1.235×10⁶"),
            (-6.02214e23, "−6.022×10²³"),
            (f64::MAX, "1.798×10³⁰⁸"),
            (f64::NAN, "–"),
            (f64::INFINITY, "∞"),
            (f64::NEG_INFINITY, "−∞"),
        ];
        for (value, text) in table {
            assert_eq!(number(value), text, "for {value:?}");
        }
    }

    #[test]
    fn ticks_of_one_axis_share_their_decimals() {
        assert_eq!(tick(1.0, 0.5, 2.0), "1.0");
        assert_eq!(tick(1e-17, 0.5, 2.0), "0");
        assert_eq!(tick(1000.001, 0.001, 1000.002), "1000.001");
        assert_eq!(tick(1.2e-4, 2e-5, 2e-4), "1.2×10⁻⁴");
        assert_eq!(power_of_ten(-12), "10⁻¹²");
    }

    #[test]
    fn durations_read_well() {
        let table = [(0.0, "0 µs"), (0.85, "850 ms"), (12.34, "12.3 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")];
        for (seconds, text) in table {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(duration(f64::NAN), "–");
    }
}
