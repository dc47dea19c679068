//! Credentials from the relay's own configuration, and from the files that it names.

use std::path::{Path, PathBuf};

use super::{
    BoxFuture, Credential, Flawed, Found, Outside, Part, Preview, Provider, ProviderError, Term,
};

/// The files that parts of the credentials come from; a part without one stands in the
/// configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Holds the secret id.
    pub secret_id: Option<PathBuf>,
    /// Holds the secret key.
    pub secret_key: Option<PathBuf>,
    /// Holds the token.
    pub token: Option<PathBuf>,
}

/// Credentials that the configuration gives. What comes from a file is read again now and then, so
/// that a key can be changed without a restart.
#[derive(Debug)]
pub struct Configured {
    /// As they were when the configuration was read.
    pub given: Credential,
    /// Where to look for a change.
    pub files: Files,
    /// How to read it.
    pub outside: Outside,
}

impl Provider for Configured {
    fn place(&self) -> String {
        let Files { secret_id, secret_key, token } = &self.files;
        let files = [secret_id, secret_key, token].into_iter().flatten();
        let files: Vec<_> = files.map(|path| path.display().to_string()).collect();
        match files.as_slice() {
            [] => "the configuration".to_owned(),
            [file] => format!("the configuration and the file {file}"),
            files => format!("the configuration and the files {}", files.join(", ")),
        }
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Found>, ProviderError>> {
        Box::pin(async { self.read().map(Some) })
    }

    fn preview(&self) -> Preview {
        self.read().map(Some).into()
    }
}

impl Configured {
    fn read(&self) -> Result<Found, ProviderError> {
        let Self { given, files, .. } = self;
        if *files == Files::default() {
            return Ok(Found { credential: given.clone(), term: Term::endless() });
        }
        let mut new = given.clone();
        if let Some(path) = &files.secret_id {
            new.secret_id = self.text(path)?;
        }
        if let Some(path) = &files.secret_key {
            new.secret_key = self.text(path)?.into();
        }
        if let Some(path) = &files.token {
            let token = self.text(path)?;
            // Credentials do not lose their token; a file that is just being written is empty.
            if token.is_empty() && given.token.is_some() {
                return Err(ProviderError::permanent(format!(
                    "the file {} is empty; write the token into it",
                    path.display()
                )));
            }
            new.token = Some(token.into());
        }
        let made = Credential::new(new.secret_id, new.secret_key, new.token);
        let credential = made.map_err(|flawed| self.flaw(flawed))?;
        Ok(Found { credential, term: Term::watched() })
    }

    /// What stands in a file. A line break at its end does not belong to it.
    fn text(&self, path: &Path) -> Result<String, ProviderError> {
        let file = path.display();
        let wrong = |problem: String| {
            let advice = "put it back, readable by this user";
            ProviderError::permanent(format!("the file {file} {problem}; {advice}"))
        };
        match self.outside.read_file(path) {
            Ok(Some(text)) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
            Ok(None) => Err(wrong("is not there".to_owned())),
            Err(error) => Err(wrong(format!("cannot be read: {error}"))),
        }
    }

    fn flaw(&self, flawed: Flawed) -> ProviderError {
        let file = match flawed.part {
            Part::SecretId => &self.files.secret_id,
            Part::SecretKey => &self.files.secret_key,
            Part::Token => &self.files.token,
        };
        let file = file.as_ref().map(|path| format!("in the file {} ", path.display()));
        let file = file.unwrap_or_default();
        ProviderError::permanent(format!("{file}{flawed}; write it as VOD gave it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const F: usize>(files: [(&str, &str); F]) -> Result<Credential, String> {
        let given =
            Credential::new("id".into(), "key".to_owned().into(), Some("t".to_owned().into()));
        let of = |name: &str| Some(PathBuf::from(name));
        let configured = Configured {
            given: given.unwrap(),
            files: Files { secret_id: of("/id"), secret_key: of("/key"), token: of("/token") },
            outside: Outside::fake([], None, files),
        };
        configured.read().map(|found| found.credential).map_err(|error| error.to_string())
    }

    #[test]
    fn every_part_is_read_again_from_its_file() {
        let credential = read([("/id", "a\n"), ("/key", "b\r\n"), ("/token", "c")]).unwrap();
        assert_eq!((credential.secret_id.as_str(), credential.secret_key.expose()), ("a", "b"));
        assert_eq!(credential.token.unwrap().expose(), "c");
    }

    #[test]
    fn files_that_are_being_written_are_named() {
        assert_eq!(
            read([("/id", "a"), ("/key", "b")]).unwrap_err(),
            "the file /token is not there; put it back, readable by this user"
        );
        assert_eq!(
            read([("/id", "a"), ("/key", ""), ("/token", "c")]).unwrap_err(),
            "in the file /key the secret_key is empty; write it as VOD gave it"
        );
        assert_eq!(
            read([("/id", "a"), ("/key", "b"), ("/token", "\n")]).unwrap_err(),
            "the file /token is empty; write the token into it"
        );
    }
}
