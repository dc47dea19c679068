//! What became of each letter, and of all together.

use serde::Serialize;

use crate::cli::dead_letters::print::to_line;
use crate::cli::dead_letters::{Failure, Format, letters, print, say};
use crate::cli::text::tame;
use crate::store::{Buried, LetterKey};

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The sink has it, and it is no dead letter any more.
    Delivered,
    /// The sink does not want it.
    Refused,
    /// The sink does not have it; another try can help.
    Failed,
    /// It was not sent.
    NotTried,
}

/// The report, which goes out line by line.
#[derive(Debug)]
pub(super) struct Report {
    format: Format,
    delivered: u64,
    stay: u64,
    /// Nobody reads the lines any more; the deliveries go on.
    unread: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    key: LetterKey,
    sink: &'a str,
    id: String,
    outcome: Outcome,
    reason: Option<&'a str>,
}

impl Report {
    pub(super) fn new(format: Format) -> Self {
        Self { format, delivered: 0, stay: 0, unread: false }
    }

    /// Tells what became of a letter. Where the events themselves go to standard output, this goes
    /// to standard error.
    pub(super) fn tell(
        &mut self,
        buried: &Buried,
        outcome: Outcome,
        reason: Option<&str>,
        to_stderr: bool,
    ) {
        match outcome {
            Outcome::Delivered => self.delivered += 1,
            Outcome::Refused | Outcome::Failed | Outcome::NotTried => self.stay += 1,
        }
        let (key, sink, id) = (buried.key, &*buried.letter.sink, buried.letter.id.to_string());
        let line = match self.format {
            Format::Json => to_line(&Line { key, sink, id, outcome, reason }),
            Format::Text => {
                let reason = reason.map(|reason| format!(": {}", tame(reason)));
                let reason = reason.unwrap_or_default();
                format!("{key} {sink} {id} {}{reason}\n", outcome.words())
            }
        };
        if to_stderr {
            say(line.trim_end());
        } else if !self.unread {
            // The deliveries matter more than their report.
            self.unread = !print(&line).unwrap_or_else(|Failure { reason, .. }| {
                say(&reason);
                false
            });
        }
    }

    /// Says how many were delivered.
    pub(super) fn sum_up(&self) {
        let Self { delivered, stay, .. } = self;
        let all = letters(delivered + stay);
        say(&match stay {
            0 => format!("{all} delivered"),
            1 => format!("{delivered} of {all} delivered; 1 stays"),
            _ => format!("{delivered} of {all} delivered; {stay} stay"),
        });
    }

    /// Whether none is left.
    pub(super) fn all_delivered(&self) -> bool {
        self.stay == 0
    }
}

impl Outcome {
    fn words(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NotTried => "not tried",
        }
    }
}
