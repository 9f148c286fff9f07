//! Sizes and durations as operators write them, exact in both directions.
//!
//! `64GB` means GiB everywhere, as PostgreSQL reads it; a size is written in the largest of kB, MB and GB that loses
//! nothing (a known peer prints 2.5GB as "3GB").

/// One kibibyte in bytes.
pub const KB: u64 = 1024;
/// One mebibyte in bytes.
pub const MB: u64 = 1024 * KB;
/// One gibibyte in bytes.
pub const GB: u64 = 1024 * MB;
/// One tebibyte in bytes.
pub const TB: u64 = 1024 * GB;

/// A number with what it counts: `1 CPU`, `16 CPUs`.
#[must_use]
pub fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The largest of 2^n and 1.5·2^n that is not above a size: what is free on a file system changes from moment to moment,
/// and a plan that follows it to the byte is another one at every run.
#[must_use]
pub fn coarse(bytes: u64) -> u64 {
    let Some(power) = bytes.checked_ilog2().map(|n| 1u64 << n) else { return 0 };
    if bytes - power >= power / 2 { power + power / 2 } else { power }
}

/// The largest size that is read, 1 EiB: sums of some of them still fit 64 bits.
pub const LARGEST: u64 = 1 << 60;

/// Reads a size: a number with an optional unit `B`, `kB`, `MB`, `GB`, `TB` (also `K`, `KiB`, …, any case), all powers
/// of 1024; without a unit, bytes.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim());
    let wrong = || format!("\"{text}\" is not a size; write a number and a unit, as in 512MB or 64GB");
    if number.is_empty() {
        return Err(wrong());
    }
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" | "kib" => KB,
        "m" | "mb" | "mib" => MB,
        "g" | "gb" | "gib" => GB,
        "t" | "tb" | "tib" => TB,
        _ => return Err(format!("\"{unit}\" is not a unit of size; write kB, MB, GB or TB, as in 64GB")),
    };
    let large = || format!("\"{text}\" is larger than any memory or disk");
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).filter(|b| *b <= LARGEST).ok_or_else(large);
    }
    let float: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = float * factor as f64;
    if bytes > LARGEST as f64 { Err(large()) } else { Ok(bytes as u64) }
}

/// Writes a size exactly, in the largest unit up to `GB` that divides it: `4GB`, `20164kB`; bytes that are no whole
/// kB are written with the unit `B`.
#[must_use]
pub fn format_bytes(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        b if b % GB == 0 => format!("{}GB", b / GB),
        b if b % MB == 0 => format!("{}MB", b / MB),
        b if b % KB == 0 => format!("{}kB", b / KB),
        b => format!("{b}B"),
    }
}

/// Writes a size for people, rounded to three figures (`15.6 GB`); never for a file.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" || value >= 99.95 {
        format!("{value:.0} {unit}")
    } else if value >= 9.995 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.2} {unit}")
    }
}

/// Rounds down to whole kB, the grain of every planned size.
#[must_use]
pub fn floor_kb(bytes: u64) -> u64 {
    bytes / KB * KB
}

/// Reads a duration: a number with a unit `us`, `ms`, `s`, `min` (or `m`), `h`, `d`; without a unit, milliseconds.
/// The result is in milliseconds.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn parse_millis(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim());
    let wrong = || format!("\"{text}\" is not a duration; write a whole number and a unit, as in 30s or 5min");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit {
        "us" => return Ok(number / 1000),
        "" | "ms" => 1,
        "s" => 1000,
        "min" | "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("\"{unit}\" is not a unit of time; write ms, s, min, h or d, as in 30s")),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// Writes a duration of milliseconds exactly, in the largest unit that divides it (`5min`, `200ms`).
#[must_use]
pub fn format_millis(ms: u64) -> String {
    match ms {
        0 => "0".to_owned(),
        m if m % 86_400_000 == 0 => format!("{}d", m / 86_400_000),
        m if m % 3_600_000 == 0 => format!("{}h", m / 3_600_000),
        m if m % 60_000 == 0 => format!("{}min", m / 60_000),
        m if m % 1000 == 0 => format!("{}s", m / 1000),
        m => format!("{m}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_powers_of_1024_in_every_spelling() {
        for text in ["64GB", "64G", "64 GiB", "64gb", "65536MB"] {
            assert_eq!(parse_bytes(text), Ok(64 * GB), "{text}");
        }
        assert_eq!(parse_bytes("1.5GB"), Ok(1536 * MB));
        assert!(parse_bytes("64Gb/s").is_err());
        assert!(parse_bytes("GB").is_err());
        assert!(parse_bytes("-1GB").is_err());
        assert!(parse_bytes("99999999999TB").is_err());
    }

    proptest! {
        #[test]
        fn a_written_size_reads_back_the_same(bytes in 0u64..(1 << 60)) {
            prop_assert_eq!(parse_bytes(&format_bytes(bytes)), Ok(bytes));
        }

        #[test]
        fn a_written_duration_reads_back_the_same(ms in 0u64..(1 << 50)) {
            prop_assert_eq!(parse_millis(&format_millis(ms)), Ok(ms));
        }
    }
}
