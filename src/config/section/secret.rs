//! The getter for secrets.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::Url;
use toml::de::DeValue;

use super::Section;
use super::collection::Item;
use super::url::masked;
use crate::secret::{MASK, Secret};

/// The most that is read of a file with a secret; the longest token of the vendor has 4 KiB.
const LONGEST: u64 = 64 * 1024;

/// What a file with a secret has to be.
const READABLE: &str = "a file that this user may read";

impl Section<'_> {
    /// A secret, given as `key` or as the file named by `key_file`.
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

    /// An address that may have a password in it, given in the same way: the key that has it, and the
    /// address. An empty one is none.
    pub(in super::super) fn url_or_file(&self, key: &str, right: &str) -> Option<(String, Url)> {
        let inline = self.text(key).map(Secret::from);
        let given = if self.has(key) { key.to_owned() } else { format!("{key}_file") };
        let text = self.or_from_file(key, inline)?;
        if text.is_empty() && self.has(key) {
            self.effective(key, "");
            return None;
        }
        // The text is not quoted: it may hold a password.
        let url = match Url::parse(text.expose()) {
            Ok(url) if url.has_host() => url,
            Ok(_) => {
                self.mistake(&given, "has no host", right);
                return None;
            }
            Err(error) => {
                self.mistake(&given, &format!("is not a URL: {error}"), right);
                return None;
            }
        };
        if self.has(key) {
            self.effective(key, masked(&url));
            if url.password().is_some() {
                self.warn_if_inline(key);
            }
        }
        Some((given, url))
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
                Ok((secret, mode)) => {
                    if let Some((problem, right)) = exposure(&file, mode) {
                        self.warn(&file_key, &problem, &right);
                    }
                    Some(secret)
                }
                Err(error) => {
                    let problem = format!("cannot read {}: {error}", file.display());
                    self.mistake(&file_key, &problem, READABLE);
                    None
                }
            },
        }
    }

    /// Several secrets: those listed under `key`, then those in the files that `file_key` names. What
    /// `check` finds wrong with one is a mistake, and so is a list that holds none.
    pub fn secrets(
        &self,
        [key, file_key]: [&str; 2],
        right: &str,
        check: impl Fn(&Secret) -> Result<(), &'static str>,
    ) -> Vec<Secret> {
        let mut secrets = Vec::new();
        let listed = self.items(key, right);
        if let Some(items) = &listed {
            self.effective(key, vec![MASK; items.len()]);
        }
        for Item { span, written, text } in listed.into_iter().flatten() {
            let secret = Secret::from(text);
            if let Err(flaw) = check(&secret) {
                self.mistake_at(span, key, &format!("holds one that {flaw}"), right);
                continue;
            }
            if !written.contains("${") {
                let mut report = self.context.report.borrow_mut();
                let instead = format!("{file_key} = [\"...\"]");
                report.inline_secret(span, self.path_of(key), instead);
            }
            secrets.push(secret);
        }
        let names = self.items(file_key, "names of files");
        if let Some(items) = &names {
            self.effective(file_key, items.iter().map(|item| &*item.text).collect::<Vec<_>>());
        }
        for Item { span, text: name, .. } in names.into_iter().flatten() {
            match read(Path::new(&name)) {
                Ok((secret, mode)) => match check(&secret) {
                    Ok(()) => {
                        if let Some((problem, right)) = exposure(Path::new(&name), mode) {
                            self.warn(file_key, &problem, &right);
                        }
                        secrets.push(secret);
                    }
                    Err(flaw) => {
                        let problem = format!("the secret in {name} {flaw}");
                        self.mistake_at(span, file_key, &problem, right);
                    }
                },
                Err(error) => {
                    let problem = format!("cannot read {name}: {error}");
                    self.mistake_at(span, file_key, &problem, READABLE);
                }
            }
        }
        for key in [key, file_key] {
            let list = self.at(key).and_then(|(_, list)| list.as_array());
            if list.is_some_and(|list| list.is_empty()) {
                self.mistake(key, "is empty", "leave it out to have none");
            }
        }
        secrets
    }

    fn inline_secret(&self, key: &str) -> Option<Secret> {
        let text = self.text(key)?;
        self.effective(key, if text.is_empty() { "" } else { MASK });
        self.warn_if_inline(key);
        Some(Secret::from(text))
    }

    /// Others may be able to read a secret that is written in the configuration itself.
    fn warn_if_inline(&self, key: &str) {
        if let Some((span, DeValue::String(written))) = self.at(key)
            && !written.is_empty()
            && !written.contains("${")
        {
            let mut report = self.context.report.borrow_mut();
            report.inline_secret(span, self.path_of(key), format!("{key}_file = \"...\""));
        }
    }
}

/// The secret in a file, and the file's permissions. A line break at the end does not belong to it.
fn read(path: &Path) -> io::Result<(Secret, u32)> {
    let mut text = String::new();
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    file.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("it is too long to be a secret"));
    }
    Ok((Secret::from(text.trim_end_matches(['\r', '\n']).to_owned()), mode))
}

/// What to say of a file with a secret that every user can read, and what would be right.
fn exposure(path: &Path, mode: u32) -> Option<(String, String)> {
    let path = path.display();
    (mode & 0o004 != 0)
        .then(|| (format!("{path} can be read by every user"), format!("chmod 600 {path}")))
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
