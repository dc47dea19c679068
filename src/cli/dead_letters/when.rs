//! Times on the command line.

use std::time::{Duration, SystemTime};

use crate::time;

/// Reads a time as RFC 3339 has it, or as a duration back from now.
pub(super) fn parse(text: &str) -> Result<SystemTime, String> {
    parse_at(text, time::wall_clock())
}

fn parse_at(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    let time = match humantime::parse_duration(text) {
        Ok(back) => now.checked_sub(back),
        Err(_) => point(text),
    };
    let wrong = "a time such as 2026-01-31T12:00:00Z or 2026-01-31T20:00:00+08:00, or how long ago \
                 such as 2h or 3days";
    time.ok_or_else(|| wrong.to_owned())
}

/// A point in time, in UTC unless it ends with another offset.
fn point(text: &str) -> Option<SystemTime> {
    let offset_at = text.len().checked_sub("+08:00".len())?;
    let (local, offset) = text.split_at_checked(offset_at)?;
    let Some((sign, minutes)) = offset_of(offset).filter(|_| local.contains([':', 'T'])) else {
        return humantime::parse_rfc3339_weak(text).ok();
    };
    let local = humantime::parse_rfc3339_weak(local).ok()?;
    let offset = Duration::from_secs(minutes * 60);
    if sign == '+' { local.checked_sub(offset) } else { local.checked_add(offset) }
}

/// Sign and minutes of an offset such as `+08:00`.
fn offset_of(text: &str) -> Option<(char, u64)> {
    let sign = text.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.len() == 2);
    Some((sign, number(hours)? * 60 + number(minutes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_point_or_a_duration_back() {
        let noon = humantime::parse_rfc3339("2026-01-31T12:00:00Z").unwrap();
        let same = [
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.000Z",
            "2026-01-31 12:00:00",
            "2026-01-31T20:00:00+08:00",
            "2026-01-31T07:30:00-04:30",
            "2h",
            "1h 60m",
        ];
        for text in same {
            assert_eq!(parse_at(text, noon + Duration::from_secs(7200)), Ok(noon), "{text}");
        }
        for wrong in ["", "noon", "2", "2026", "+08:00", "2026-01-31T12:00:00+8", "动物园动物园"]
        {
            assert!(parse_at(wrong, noon).is_err(), "{wrong}");
        }
    }
}
