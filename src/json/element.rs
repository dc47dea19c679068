//! Where an element of an array ends, in text that is not well-formed.

use super::scan::string_end;

/// The place of the comma, or of the bracket, that ends what stands at `start` in an array,
/// whether that is well-formed or not; `None` if the text ends before.
///
/// Only strings and brackets are minded, and strings end at their quote whatever else is in them. A
/// bracket that closes nothing is passed by, and one that closes something further out closes all
/// in it, so that a bracket too many or too few costs no more than the element that it stands in.
pub fn element_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = Open::default();
    let mut at = start;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b',' | b']' if open.brackets.is_empty() => return Some(at),
            byte @ (b'{' | b'[') => open.push(*byte),
            b'}' => open.close(b'{'),
            b']' => open.close(b'['),
            _ => {}
        }
        at += 1;
    }
}

/// The brackets that are open, the innermost last.
#[derive(Default)]
struct Open {
    brackets: Vec<u8>,
    /// How many of them are braces.
    braces: usize,
}

impl Open {
    fn push(&mut self, bracket: u8) {
        self.braces += usize::from(bracket == b'{');
        self.brackets.push(bracket);
    }

    /// Closes the innermost of these brackets, if one is open, and what is open in it.
    fn close(&mut self, bracket: u8) {
        // They are counted, since a search for one that is not there would be made again for each.
        let count = match bracket {
            b'{' => self.braces,
            _ => self.brackets.len() - self.braces,
        };
        if count == 0 {
            return;
        }
        while let Some(closed) = self.brackets.pop() {
            self.braces -= usize::from(closed == b'{');
            if closed == bracket {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_ends_where_its_brackets_say() {
        for element in [
            "1",
            " 01 ",
            "",
            "tru e",
            r#"{"a":",]}\""}"#,
            "{\"a\":\"\t\n\"}",
            "{\"a\":[1}",
            "{\"a\":1]}",
            "[{\"a\":{]",
            "}",
            "}}}1",
            r#"{"a" [1,2], :}"#,
            "\"é\\é\"",
        ] {
            for more in [",2]", "],"] {
                let text = format!("[{element}{more}");
                assert_eq!(element_end(&text, 1), Some(1 + element.len()), "{text}");
            }
        }
    }

    #[test]
    fn what_has_no_end_is_looked_at_once() {
        let count = 1 << 21;
        let hostile = [
            "[".repeat(count),
            "{".repeat(count) + &"]".repeat(count),
            "[".repeat(count) + &"}".repeat(count),
            "{[".repeat(count) + &"]".repeat(count),
            "\"\\".repeat(count),
            "\\\"".repeat(count),
        ];
        for text in hostile {
            assert_eq!(element_end(&text, 0), None, "{}", &text[..8]);
        }
        for text in ["", "\"", "\"\\", "{\"", "é"] {
            assert_eq!(element_end(text, 0), None, "{text}");
            assert_eq!(element_end(text, 9), None, "{text}");
        }
    }
}
