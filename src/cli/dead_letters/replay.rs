//! Delivers dead letters again, by the lanes that the service has.

mod outlets;
mod report;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::outlets::Outlets;
use self::report::{Outcome, Report};
use super::select::{PAGE, Selection};
use super::{Failure, Format, missing, say};
use crate::config::Config;
use crate::event::Event;
use crate::exit;
use crate::flight::{Flight, Verdict};
use crate::lane::Job;
use crate::signals::{Request, Signals};
use crate::store::{Buried, Store};

/// Delivers what is selected: the exit code.
pub(super) async fn run(
    config: &Config,
    store: &Store,
    mut selection: Selection,
    format: Format,
) -> Result<u8, Failure> {
    let no_signals = |error| Failure {
        reason: format!("cannot listen for signals: {error}"),
        code: exit::INTERNAL,
    };
    let mut signals = Signals::listen().map_err(no_signals)?;
    let stop = CancellationToken::new();
    let mut replay = Replay {
        store,
        outlets: Outlets::new(config, stop.clone()),
        verdicts: mpsc::channel(PAGE),
        underway: 0,
        report: Report::new(format),
    };
    while let Some(page) = selection.next(store).await? {
        replay.send(page).await;
        while replay.underway > 0 {
            tokio::select! {
                noted = replay.note() => noted?,
                request = signals.next() => match request {
                    Request::Stop if stop.is_cancelled() => return Ok(exit::INTERNAL),
                    Request::Stop => {
                        say("stopping: finishing what is on its way");
                        stop.cancel();
                    }
                    Request::Reload => {}
                },
            }
        }
        if stop.is_cancelled() {
            break;
        }
    }
    let named = missing(&selection);
    let Replay { outlets, report, .. } = replay;
    let misconfigured = outlets.close().await;
    report.sum_up();
    Ok(match (misconfigured, report.all_delivered() && !stop.is_cancelled()) {
        (true, _) => exit::CONFIG,
        (false, false) => exit::LEFT_OVER,
        (false, true) => named,
    })
}

struct Replay<'a> {
    store: &'a Store,
    outlets: Outlets<'a>,
    verdicts: (mpsc::Sender<Told>, mpsc::Receiver<Told>),
    /// How many letters the lanes have.
    underway: usize,
    report: Report,
}

/// What a lane says about a letter.
#[derive(Debug)]
struct Told {
    letter: Buried,
    verdict: Verdict,
    tried: bool,
    reason: Option<String>,
}

impl Replay<'_> {
    /// Sends letters to the lanes of their sinks, as far as there is a way for them.
    async fn send(&mut self, page: Vec<Buried>) {
        for letter in page {
            let sink = letter.letter.sink.clone();
            let obstacle = match self.outlets.of(&sink) {
                _ if !letter.intact => Some("the disk has altered its text"),
                Ok(lane) => {
                    let job = Job::new(self.flight(letter.clone()));
                    self.underway += 1;
                    lane.deliver(vec![job]).await;
                    None
                }
                Err(obstacle) => Some(obstacle),
            };
            if let Some(obstacle) = obstacle {
                let to_stdout = self.outlets.is_stdout(&sink);
                self.report.tell(&letter, Outcome::NotTried, Some(obstacle), to_stdout);
            }
        }
    }

    fn flight(&self, letter: Buried) -> std::sync::Arc<Flight> {
        let verdicts = self.verdicts.0.clone();
        let Buried { letter: of, .. } = letter.clone();
        let event = Event::from_content(String::from_utf8_lossy(&of.text).into_owned());
        Flight::stored(event, of.source, of.first_seen, move |settled| {
            let (letter, reason) = (letter.clone(), settled.reason.map(str::to_owned));
            let told = Told { letter, verdict: settled.verdict, tried: settled.tried, reason };
            // There is room for a whole page.
            let _ = verdicts.try_send(told);
        })
    }

    /// Waits for verdicts, and removes what was delivered before anything else happens.
    async fn note(&mut self) -> Result<(), Failure> {
        let mut told = Vec::with_capacity(PAGE);
        self.underway -= self.verdicts.1.recv_many(&mut told, PAGE).await.min(self.underway);
        let delivered =
            told.iter().filter(|told| matches!(told.verdict, Verdict::Delivered | Verdict::Known));
        let delivered: Vec<_> = delivered.map(|told| told.letter.key).collect();
        if !delivered.is_empty() {
            let noted = self.store.replayed(delivered).await;
            noted.inspect_err(|_| say("letters that were delivered could not be removed"))?;
        }
        for Told { letter, verdict, tried, reason } in told {
            let sink = &letter.letter.sink;
            let outcome = match verdict {
                Verdict::Delivered | Verdict::Known => Outcome::Delivered,
                Verdict::Refused | Verdict::Dead => Outcome::Refused,
                Verdict::Left { .. } if tried => Outcome::Failed,
                Verdict::Left { .. } => Outcome::NotTried,
            };
            self.outlets.heard(sink, outcome);
            let reason = match outcome {
                Outcome::NotTried => Some(self.outlets.obstacle(sink)),
                Outcome::Delivered | Outcome::Refused | Outcome::Failed => reason.as_deref(),
            };
            self.report.tell(&letter, outcome, reason, self.outlets.is_stdout(sink));
        }
        Ok(())
    }
}
