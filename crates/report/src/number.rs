//! How numbers are written, the same in the terminal and on a page.

/// A share as a percentage with one decimal: `93.1 %`. Not a number is written as a dash.
#[must_use]
pub fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { "-".to_string() }
}

/// A share with its interval: `93.1 % (90.9 to 95.0)`.
#[must_use]
pub fn interval(value: f64, low: f64, high: f64) -> String {
    if low.is_finite() && high.is_finite() {
        format!("{} ({:.1} to {:.1})", percent(value), 100.0 * low, 100.0 * high)
    } else {
        percent(value)
    }
}

/// A count with thin groups of three digits: `12 345`.
#[must_use]
pub fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with its noun, which takes an `s` unless there is one: `1 row`, `12 345 rows`.
#[must_use]
pub fn counted(value: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// Bytes in the largest unit (of 1024) below them: `10.9 MiB`.
#[must_use]
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value as f64;
    let mut unit = "bytes";
    for next in UNITS {
        if scaled < 1024.0 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    if unit == "bytes" { format!("{value} bytes") } else { format!("{scaled:.1} {unit}") }
}

/// Seconds as a person says them: `0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 10 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match seconds {
        s if s < 1.0 => format!("{:.2} s", s.max(0.0)),
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567")] {
            assert_eq!(count(value), text);
        }
        assert_eq!((counted(1, "row"), counted(2, "row")), ("1 row".to_string(), "2 rows".to_string()));
    }

    #[test]
    fn units_change_at_their_borders() {
        for (value, text) in [(1023, "1023 bytes"), (1024, "1.0 KiB"), (11_513_464, "11.0 MiB"), (3 << 30, "3.0 GiB")] {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [(0.418, "0.42 s"), (12.34, "12.3 s"), (245.0, "4 min 05 s"), (7800.0, "2 h 10 min")] {
            assert_eq!(duration(value), text);
        }
    }

    #[test]
    fn intervals_without_ends_are_left_out() {
        assert_eq!(interval(0.931, 0.909, 0.95), "93.1 % (90.9 to 95.0)");
        assert_eq!(interval(0.5, f64::NAN, 1.0), "50.0 %");
        assert_eq!(percent(f64::NAN), "-");
    }
}
