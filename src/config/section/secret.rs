//! The getter for secrets.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use toml::de::DeValue;

use super::Section;
use crate::secret::{MASK, Secret};

/// The most that is read of a file with a secret; the longest token of the vendor has 4 KiB.
const LONGEST: u64 = 64 * 1024;

impl Section<'_> {
    /// A secret, given as `key` or as the file named by `key_file`. A line break at the end of the
    /// file does not belong to it.
    ///
    /// `None` also stands for one that could not be had; that is reported here.
    pub fn secret(&self, key: &str) -> Option<Secret> {
        let inline = self.inline_secret(key);
        self.or_from_file(key, inline)
    }

    /// A text that is no secret, given in the same way.
    pub fn string_or_file(&self, key: &str) -> Option<String> {
        let inline = self.string(key).map(Secret::from);
        self.or_from_file(key, inline).map(|text| text.expose().to_owned())
    }

    /// What stands in the file, if one is given.
    fn or_from_file(&self, key: &str, inline: Option<Secret>) -> Option<Secret> {
        let file_key = format!("{key}_file");
        let file = self.path(&file_key);
        match (inline, file) {
            // The name of the file is wrong, which is reported.
            (_, None) if self.has(&file_key) => None,
            (inline, None) => inline,
            (Some(inline), Some(_)) if !inline.is_empty() => {
                let right = format!("either {key} or {file_key}");
                self.mistake(&file_key, &format!("stands beside {key}"), &right);
                None
            }
            (_, Some(file)) => match read(&file) {
                Ok((text, mode)) => {
                    if mode & 0o004 != 0 {
                        let problem = format!("{} can be read by every user", file.display());
                        self.warn(&file_key, &problem, &format!("chmod 600 {}", file.display()));
                    }
                    Some(Secret::from(text.trim_end_matches(['\r', '\n']).to_owned()))
                }
                Err(error) => {
                    let problem = format!("cannot read {}: {error}", file.display());
                    self.mistake(&file_key, &problem, "a file that this user may read");
                    None
                }
            },
        }
    }

    fn inline_secret(&self, key: &str) -> Option<Secret> {
        let text = self.text(key)?;
        self.effective(key, if text.is_empty() { "" } else { MASK });
        if let Some((span, DeValue::String(written))) = self.at(key)
            && !written.is_empty()
            && !written.contains("${")
        {
            self.context.report.borrow_mut().inline_secret(span, self.path_of(key));
        }
        Some(Secret::from(text))
    }
}

/// The text of the file, and its permissions.
fn read(path: &Path) -> io::Result<(String, u32)> {
    let mut text = String::new();
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    file.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("it is too long to be a secret"));
    }
    Ok((text, mode))
}

#[cfg(test)]
mod tests {
    use crate::config::fixture::{effective, read};

    fn get(keys: &str) -> (Option<String>, String) {
        let (secret, mistakes) = read(keys, |section| section.secret("key"));
        (secret.map(|secret| secret.expose().to_owned()), mistakes)
    }

    #[test]
    fn a_secret_comes_from_the_file_itself_or_from_another() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "hunter2\r\n").unwrap();
        let key_file = format!("key_file = '{}'", file.display());
        let found = (Some("hunter2".to_owned()), String::new());
        assert_eq!(get("key = 'hunter2'"), found);
        assert_eq!(get(&key_file), found);
        assert_eq!(get(&format!("key = ''\n{key_file}")), found);
        assert_eq!(get(""), (None, String::new()));
        assert_eq!(get("key = ''"), (Some(String::new()), String::new()));
        assert_eq!(effective("key = 'hunter2'", |s| s.secret("key")), "key = \"********\"\n");
        assert_eq!(effective(&key_file, |s| s.secret("key")), key_file.replace('\'', "\"") + "\n");
    }

    #[test]
    fn a_secret_that_cannot_be_had_is_reported_and_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("long");
        std::fs::write(&long, "x".repeat(70_000)).unwrap();
        let right = "(a file that this user may read)";
        for (keys, mistakes) in [
            (
                "key = 7".to_owned(),
                "2:7: sinks.app.key: is a whole number (text in quotes)".to_owned(),
            ),
            (
                "key = 'hunter2'\nkey_file = '/gone'".to_owned(),
                "3:12: sinks.app.key_file: stands beside key (either key or key_file)".to_owned(),
            ),
            (
                "key_file = ''".to_owned(),
                "2:12: sinks.app.key_file: is empty (the name of a file)".to_owned(),
            ),
            (
                "key_file = '/gone'".to_owned(),
                format!(
                    "2:12: sinks.app.key_file: cannot read /gone: \
                     No such file or directory (os error 2) {right}"
                ),
            ),
            (
                format!("key_file = '{}'", long.display()),
                format!(
                    "2:12: sinks.app.key_file: cannot read {}: \
                     it is too long to be a secret {right}",
                    long.display()
                ),
            ),
        ] {
            assert_eq!(get(&keys), (None, mistakes));
        }
    }
}
