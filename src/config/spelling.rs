//! Finds the word that was meant by a mistyped one, and quotes words for messages.

/// The known word that differs from `name` by a typing slip, if one does.
pub(super) fn closest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let typed = name.to_lowercase();
    let ranked = known.into_iter().map(|word| (distance(&typed, &word.to_lowercase()), word));
    let (slips, word) = ranked.min_by_key(|(slips, _)| *slips)?;
    // A short word is soon another one: "b" is no slip of "a". Words that differ in no letter
    // differ in case only.
    let length = name.chars().count().max(word.chars().count());
    (slips <= length / 4 + usize::from(length > 2)).then_some(word)
}

/// A value for a message: in quotes, on one line, and not endless.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("{shown:?}")
}

/// How many letters must be changed, added or dropped to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, wanted) in to.chars().enumerate() {
            let substitute = diagonal + usize::from(letter != wanted);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        let known = ["type", "url", "timeout", "max_concurrency"];
        let cases = [
            ("tyep", Some("type")),
            ("URL", Some("url")),
            ("time_out", Some("timeout")),
            ("max_concurency", Some("max_concurrency")),
            ("headers", None),
            ("u", None),
            ("", None),
        ];
        for (typed, meant) in cases {
            assert_eq!(closest(typed, known), meant, "{typed}");
        }
        assert_eq!(closest("type", []), None);
    }

    #[test]
    fn a_quoted_value_stays_on_one_line_and_short() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted("转码"), "\"转码\"");
        assert_eq!(quoted(&"x".repeat(1000)).len(), 65);
    }
}
