//! The smallest parts of a JSON text: white space, strings, numbers and words.

/// A one in each byte, and the highest bit of each.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The place of the first byte from `from` on that is no white space.
pub(super) fn skip_space(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The end of the string whose opening quote stands at `start`, and whether it has escapes; `None`
/// if it is not well-formed.
pub(super) fn string(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    let mut at = start + 1;
    let mut is_escaped = false;
    loop {
        at = special(bytes, at)?;
        match bytes.get(at)? {
            b'"' => return Some((at + 1, is_escaped)),
            b'\\' => {
                is_escaped = true;
                at = escape(bytes, at)?;
            }
            // A control character.
            _ => return None,
        }
    }
}

/// The end of the string whose opening quote stands at `start`, whatever is in it.
pub(super) fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = special(bytes, at) {
        match bytes.get(found) {
            Some(b'"') => return found + 1,
            Some(b'\\') => at = found + 2,
            _ => at = found + 1,
        }
    }
    bytes.len()
}

/// The place of the first quote, backslash or control character from `from` on.
fn special(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    // Eight bytes at a time: a byte is marked by its highest bit. What is marked beside the first
    // that is may be wrong, but not the first.
    while let Some(word) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(word.try_into().ok()?);
        // A quote becomes a blank, which then comes next to the control characters.
        let low = word ^ (ONES * 0x02);
        let backslash = word ^ (ONES * 0x5c);
        let marked =
            (low.wrapping_sub(ONES * 0x21) & !low) | (backslash.wrapping_sub(ONES) & !backslash);
        let marked = marked & HIGHS;
        if marked != 0 {
            return Some(at + marked.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
    Some(at + found)
}

/// The end of the escape that begins at `at`.
fn escape(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => {
            let digits = bytes.get(at + 2..at + 6)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 6)
        }
        _ => None,
    }
}

/// The end of the number or the word (`true`, `false`, `null`) that begins at `start`; `None` if
/// there is none.
pub(super) fn literal(bytes: &[u8], start: usize) -> Option<usize> {
    let word: &[u8] = match bytes.get(start)? {
        b't' => b"true",
        b'f' => b"false",
        b'n' => b"null",
        _ => return number(bytes, start),
    };
    bytes.get(start..)?.starts_with(word).then_some(start + word.len())
}

fn number(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
    at = match bytes.get(at)? {
        b'0' => at + 1,
        _ => digits(bytes, at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(bytes, at + 1 + usize::from(signed))?;
    }
    Some(at)
}

/// The end of one or more digits.
fn digits(bytes: &[u8], start: usize) -> Option<usize> {
    let count = bytes.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then_some(start + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_stands() {
        for length in 0..40 {
            for inside in ["x", "动", "\\\"", "\\u00e9", "\u{7f}", "\u{80}"] {
                let text = format!("\"{}{inside}\" ,\"", "a".repeat(length));
                let expected = (text.len() - 3, inside.starts_with('\\'));
                assert_eq!(string(text.as_bytes(), 0), Some(expected), "{text}");
                assert_eq!(string_end(text.as_bytes(), 0), expected.0, "{text}");
            }
            for wrong in ["\n", "\u{1f}", "\\x", "\\u12g4", "\\", "\\u12"] {
                let text = format!("\"{}{wrong}\"", "a".repeat(length));
                assert_eq!(string(text.as_bytes(), 0), None, "{text}");
            }
            let open = format!("\"{}", "a".repeat(length));
            assert_eq!(string(open.as_bytes(), 0), None);
            assert_eq!(string_end(open.as_bytes(), 0), open.len());
        }
    }
}
