//! The pages that users read, and what stands in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A page of the documentation.
#[derive(Debug)]
pub struct Page {
    /// Where it is, from the root of the repository.
    pub path: PathBuf,
    pub text: String,
}

impl Page {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = fs::read_to_string(root().join(&path)).unwrap();
        Self { path, text }
    }

    pub fn readme() -> Self {
        Self::at("README.md")
    }

    /// The README and everything in docs.
    pub fn all() -> Vec<Self> {
        let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
        let docs = docs.map(|path| Self::at(path.strip_prefix(root()).unwrap()));
        [Self::readme()].into_iter().chain(docs).collect()
    }

    /// The rows of the first table whose first column is called `first`, in cells.
    pub fn rows(&self, first: &str) -> Vec<Vec<String>> {
        let rows = rows(&self.text, first);
        assert!(!rows.is_empty(), "there is no table of {first} in {}", self.path.display());
        rows
    }

    /// What stands below each heading up to the next one, however deep.
    pub fn sections(&self) -> Vec<(String, String)> {
        let mut sections: Vec<(String, String)> = Vec::new();
        for (line, fenced) in lines(&self.text) {
            match sections.last_mut() {
                _ if line.starts_with('#') && !fenced => {
                    let title = line.trim_start_matches('#').trim().to_owned();
                    sections.push((title, String::new()));
                }
                Some((_, text)) => *text += &format!("{line}\n"),
                None => {}
            }
        }
        sections
    }

    /// The fenced blocks, each with its language.
    pub fn blocks(&self) -> Vec<(String, String)> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().map(str::trim_start);
        while let Some(line) = lines.next() {
            if let Some(language) = line.strip_prefix("```") {
                let text = lines.by_ref().take_while(|line| *line != "```");
                blocks.push((language.to_owned(), text.map(|line| format!("{line}\n")).collect()));
            }
        }
        blocks
    }

    /// The lines outside of fenced blocks.
    pub fn prose(&self) -> impl Iterator<Item = &str> {
        lines(&self.text).filter(|(_, fenced)| !fenced).map(|(line, _)| line)
    }

    /// The anchors that its headings get.
    pub fn anchors(&self) -> BTreeSet<String> {
        self.prose().filter(|line| line.starts_with('#')).map(anchor).collect()
    }
}

/// The rows of the first table in a text whose first column is called `first`, in cells.
pub fn rows(text: &str, first: &str) -> Vec<Vec<String>> {
    let header = format!("| {first} |");
    let table = text.lines().skip_while(|line| !line.starts_with(&header));
    let table = table.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| {
        let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')).unwrap();
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    table.map(cells).collect()
}

/// What stands in `backquotes`.
pub fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines, and whether each belongs to a fenced block.
fn lines(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut fenced = false;
    text.lines().map(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (line, fenced || fence)
    })
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}
