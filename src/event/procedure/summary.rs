//! A task flow in one line, for people.

use std::fmt::{self, Write as _};

use super::{MetaData, ProcedureTask, Step};

/// Longer texts are cut: names and messages come from outside, and log lines have a limit.
const TEXT_CHARS_MAX: usize = 80;

/// More steps are only counted.
const STEPS_MAX: usize = 16;

/// A task flow in one line, such as
/// `FINISH 动物世界 (640x480, 60 s): Transcode 20 SUCCESS, CoverBySnapshot 10 SUCCESS`.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a>(pub(super) &'a ProcedureTask);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.0;
        write!(f, "{}", Line(task.status.as_deref().unwrap_or("?")))?;
        if let Some(name) = text(&task.file_name).or(text(&task.file_id)) {
            write!(f, " {}", Line(name))?;
        }
        if let Some(metadata) = &task.metadata {
            write_picture(f, metadata)?;
        }
        write_error(f, task.err_code, None, text(&task.message))?;
        let steps = task.steps();
        for (index, step) in steps.clone().take(STEPS_MAX).enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            write_step(f, step)?;
        }
        match steps.count().saturating_sub(STEPS_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn write_picture(f: &mut fmt::Formatter<'_>, metadata: &MetaData) -> fmt::Result {
    let size =
        metadata.width.zip(metadata.height).filter(|(width, height)| *width > 0 && *height > 0);
    // A tenth of a second is as much as a person wants to know.
    let seconds = metadata.duration.filter(|seconds| (0.0..1e9).contains(seconds));
    let seconds = seconds.map(|seconds| (seconds * 10.0).round() / 10.0);
    match (size, seconds) {
        (Some((width, height)), Some(seconds)) => write!(f, " ({width}x{height}, {seconds} s)"),
        (Some((width, height)), None) => write!(f, " ({width}x{height})"),
        (None, Some(seconds)) => write!(f, " ({seconds} s)"),
        (None, None) => Ok(()),
    }
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
    let kind = if step.kind.is_empty() { "?" } else { &step.kind };
    write!(f, "{}", Line(kind))?;
    if let Some(definition) = step.definition {
        write!(f, " {definition}")?;
    }
    let status = step.state.status.as_deref().unwrap_or("?");
    write!(f, " {}", Line(status))?;
    if let (Some(progress), "PROCESSING") = (step.state.progress, status) {
        write!(f, " {progress}%")?;
    }
    let message = text(&step.state.message);
    write_error(f, step.state.err_code, text(&step.state.err_code_ext), message)
}

fn write_error(
    f: &mut fmt::Formatter<'_>,
    code: Option<i64>,
    word: Option<&str>,
    message: Option<&str>,
) -> fmt::Result {
    let code = code.filter(|code| *code != 0);
    if code.is_none() && word.is_none() {
        return Ok(());
    }
    f.write_str(" [error")?;
    if let Some(code) = code {
        write!(f, " {code}")?;
    }
    for text in [word, message].into_iter().flatten() {
        write!(f, " {}", Line(text))?;
    }
    f.write_str("]")
}

fn text(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// A text from outside in a line of ours: it can neither end the line nor fill the log.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        for char in rest.by_ref().take(TEXT_CHARS_MAX) {
            f.write_char(if char.is_control() { ' ' } else { char })?;
        }
        if rest.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}
