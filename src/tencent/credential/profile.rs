//! Credentials from the profile file that the vendor's SDKs share.
//!
//! ```ini
//! [default]
//! secret_id = AKID...
//! secret_key = ...
//! token = ...
//! ```
//!
//! The file is `$TENCENTCLOUD_CREDENTIALS_FILE` (the Go SDK), else `~/.tencentcloud/credentials`,
//! else `/etc/tencentcloud/credentials` (the Python and Node.js SDKs). The SDKs know no other
//! section than `default`, and no variable that names one.

use std::path::{Path, PathBuf};

use super::{BoxFuture, Credential, Found, Outside, Preview, Provider, ProviderError, Term};
use crate::secret::Secret;

const FILE_VARIABLE: &str = "TENCENTCLOUD_CREDENTIALS_FILE";
const IN_HOME: &str = ".tencentcloud/credentials";
const IN_ETC: &str = "/etc/tencentcloud/credentials";
const SECTION: &str = "default";

/// Looks into the profile file.
#[derive(Debug)]
pub struct Profile(pub Outside);

impl Provider for Profile {
    fn place(&self) -> String {
        let in_home = self.0.home().map(|home| home.join(IN_HOME).display().to_string());
        let places: Vec<_> = in_home.into_iter().chain([IN_ETC.to_owned()]).collect();
        format!("the file {} (or the one that {FILE_VARIABLE} names)", places.join(" or "))
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Found>, ProviderError>> {
        Box::pin(async { self.found() })
    }

    fn preview(&self) -> Preview {
        self.found().into()
    }
}

impl Profile {
    fn found(&self) -> Result<Option<Found>, ProviderError> {
        Ok(self.read()?.map(|credential| Found { credential, term: Term::watched() }))
    }

    fn read(&self) -> Result<Option<Credential>, ProviderError> {
        if let Some(named) = self.0.variable(FILE_VARIABLE).filter(|name| !name.is_empty()) {
            let path = PathBuf::from(named);
            let text = self.text(&path)?.ok_or_else(|| {
                let path = path.display();
                ProviderError::permanent(format!(
                    "{FILE_VARIABLE} names the file {path}, which is not there"
                ))
            })?;
            return parse(&path, &text).map(Some);
        }
        let in_home = self.0.home().map(|home| home.join(IN_HOME));
        for path in in_home.into_iter().chain([PathBuf::from(IN_ETC)]) {
            if let Some(text) = self.text(&path)? {
                return parse(&path, &text).map(Some);
            }
        }
        Ok(None)
    }

    fn text(&self, path: &Path) -> Result<Option<String>, ProviderError> {
        self.0.read_file(path).map_err(|error| {
            ProviderError::permanent(format!("the file {} cannot be read: {error}", path.display()))
        })
    }
}

fn parse(path: &Path, text: &str) -> Result<Credential, ProviderError> {
    let value = |key| value(text, key).filter(|value| !value.is_empty()).map(str::to_owned);
    let required = |key| {
        value(key).ok_or_else(|| {
            let path = path.display();
            ProviderError::permanent(format!(
                "the file {path} has no {key} in its section [{SECTION}]"
            ))
        })
    };
    let token = value("token").map(Secret::from);
    let made = Credential::new(required("secret_id")?, required("secret_key")?.into(), token);
    made.map_err(|flawed| {
        ProviderError::permanent(format!(
            "in the file {} {flawed}; write it without",
            path.display()
        ))
    })
}

/// The value of a key in the section; of several the last counts, as in the SDKs.
///
/// The format has no standard: this reads what the SDKs' parsers agree on.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut in_section = false;
    let mut found = None;
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            in_section = name.trim() == SECTION;
        } else if in_section
            && let Some((name, value)) = line.split_once('=')
            && name.trim().eq_ignore_ascii_case(key)
        {
            found = Some(value.trim());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\u{feff}# keys\r\n[other]\nsecret_id = no\n\n[ default ]\r\n\
                        ; comment\r\nSecret_Id=id\r\n secret_key = a=b \r\ntoken =\r\n[x]\ntoken=no";

    fn found(outside: Outside) -> Result<Option<String>, String> {
        let read = Profile(outside).read();
        read.map(|found| found.map(|it| it.secret_id)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_section_is_read_and_nothing_else() {
        let credential = parse(Path::new("f"), GOOD).unwrap();
        assert_eq!(credential.secret_id, "id");
        assert_eq!(credential.secret_key.expose(), "a=b");
        assert_eq!(credential.token, None);
        let token = parse(Path::new("f"), &format!("{GOOD}\n[default]\ntoken = t")).unwrap().token;
        assert_eq!(token.unwrap().expose(), "t");
    }

    #[test]
    fn the_named_file_comes_first_then_home_then_etc() {
        let file = |id: &str| format!("[default]\nsecret_id={id}\nsecret_key=k");
        let (named, home, etc) = (file("named"), file("home"), file("etc"));
        let files = [
            ("/named", named.as_str()),
            ("/home/a/.tencentcloud/credentials", &home),
            (IN_ETC, &etc),
        ];
        let variable = [(FILE_VARIABLE, "/named")];
        let id = |outside| found(outside).unwrap().unwrap();
        assert_eq!(id(Outside::fake(variable, Some("/home/a"), files)), "named");
        assert_eq!(id(Outside::fake([], Some("/home/a"), files)), "home");
        assert_eq!(id(Outside::fake([], Some("/home/b"), files)), "etc");
        assert_eq!(id(Outside::fake([], None, files)), "etc");
        assert_eq!(found(Outside::fake([], Some("/home/a"), [])), Ok(None));
    }

    #[test]
    fn mistakes_name_the_file_and_the_key() {
        let one = |text: &str| found(Outside::fake([], None, [(IN_ETC, text)])).unwrap_err();
        assert_eq!(
            one("[default]\nsecret_id = x\n"),
            "the file /etc/tencentcloud/credentials has no secret_key in its section [default]"
        );
        assert_eq!(
            one("secret_id = x\nsecret_key = y"),
            "the file /etc/tencentcloud/credentials has no secret_id in its section [default]"
        );
        assert_eq!(
            one("[default]\nsecret_id = 'x'\nsecret_key = y"),
            "in the file /etc/tencentcloud/credentials the secret_id has quotation marks around it; \
             write it without"
        );
        assert_eq!(
            found(Outside::fake([(FILE_VARIABLE, "/gone")], None, [])).unwrap_err(),
            "TENCENTCLOUD_CREDENTIALS_FILE names the file /gone, which is not there"
        );
    }
}
