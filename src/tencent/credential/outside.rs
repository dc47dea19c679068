//! The outside world as the providers see it, so that tests can bring their own.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No credentials file is longer; what is, is something else.
const FILE_BYTES_MAX: u64 = 64 * 1024;

type Variable = dyn Fn(&str) -> Option<OsString> + Send + Sync;
type ReadFile = dyn Fn(&Path) -> io::Result<String> + Send + Sync;

/// The environment variables, the home directory and the files.
#[derive(Clone)]
pub struct Outside {
    variable: Arc<Variable>,
    read_file: Arc<ReadFile>,
    home: Option<PathBuf>,
}

impl Outside {
    /// The world of this process.
    pub fn of_this_process() -> Self {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        Self::new(|name| std::env::var_os(name), read_file, home)
    }

    /// A world in which variables are looked up, files are read and the user lives as given.
    pub fn new(
        variable: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
        read_file: impl Fn(&Path) -> io::Result<String> + Send + Sync + 'static,
        home: Option<PathBuf>,
    ) -> Self {
        Self { variable: Arc::new(variable), read_file: Arc::new(read_file), home }
    }

    /// An environment variable.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        (self.variable)(name)
    }

    /// The home directory, if there is one.
    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// A small text file; `None` if it does not exist.
    pub(super) fn read_file(&self, path: &Path) -> io::Result<Option<String>> {
        match (self.read_file)(path) {
            Ok(text) => Ok(Some(text)),
            // `/dev/null` and the like are given as home to users that are to have none.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("home", &self.home).finish_non_exhaustive()
    }
}

/// Reads in place, not on another thread: it is a few lines on a local disk, at start-up and when
/// credentials are refused.
fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is longer than any credentials file"));
    }
    Ok(text)
}

#[cfg(test)]
impl Outside {
    /// A world that has these variables and files and no others.
    pub(super) fn fake<const V: usize, const F: usize>(
        variables: [(&str, &str); V],
        home: Option<&str>,
        files: [(&str, &str); F],
    ) -> Self {
        use std::collections::HashMap;
        let variables: HashMap<_, _> =
            variables.map(|(name, value)| (name.to_owned(), OsString::from(value))).into();
        let files: HashMap<_, _> =
            files.map(|(path, text)| (PathBuf::from(path), text.to_owned())).into();
        Self::new(
            move |name| variables.get(name).cloned(),
            move |path| files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()),
            home.map(PathBuf::from),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_a_limit_and_missing_ones_are_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let outside = Outside::of_this_process();
        let path = directory.path().join("credentials");
        assert_eq!(outside.read_file(&path).unwrap(), None);
        std::fs::write(&path, "text").unwrap();
        assert_eq!(outside.read_file(&path).unwrap().as_deref(), Some("text"));
        assert_eq!(outside.read_file(&path.join("below a file")).unwrap(), None);
        assert!(outside.read_file(directory.path()).is_err());
        assert!(outside.read_file(Path::new("/dev/zero")).is_err());
    }
}
