//! `vod-relay convert`: events from one shape into another, from standard input to standard output.

mod shape;
mod values;

use std::io::{self, BufWriter, Read, Write};

use clap::Args;

use self::shape::{Shape, To};
use self::values::{Found, Values};
use crate::exit;

/// The most bytes of one value of the input, as for an answer of VOD.
const VALUE_MAX: usize = 32 << 20;

/// Of more failures only the number is told.
const TOLD_MAX: u64 = 100;

const ABOUT: &str = "\
Converts events between the shapes in which VOD sends them, from standard input to standard \
output.

The input is JSON Lines or any other sequence of JSON objects and arrays, also over many lines: \
bodies of callbacks, whole answers of a pull, single events out of one. The output has one event \
on each line, without handle and signature.

From 2.0 to 3.0 nothing is lost; from 3.0 to 2.0 what 2.0 never had is left out. Types that the \
other format lacks, and what is no event, are told on standard error with their line; the rest \
goes on, and the end is 1.";

const EXAMPLES: &str = "\
Examples:
  vod-relay convert --to callback-v2 <callback.json
  vod-relay convert --from callback-v2 --to callback <old.jsonl >new.jsonl";

/// Convert events between VOD's formats, from standard input to standard output
#[derive(Debug, Clone, Copy, Args)]
#[command(long_about = ABOUT, after_long_help = EXAMPLES)]
pub(super) struct ConvertArgs {
    /// What the input is
    #[arg(long, value_enum, default_value_t = Shape::Auto)]
    from: Shape,

    /// What the output is to be
    #[arg(long, value_enum)]
    to: To,
}

/// Converts until the input ends or nobody reads the output: the exit code.
pub(super) fn run(args: ConvertArgs) -> u8 {
    let out = BufWriter::new(io::stdout().lock());
    let mut conversion = Conversion { args, failed: 0, out };
    match conversion.run(Values::new(io::stdin().lock(), VALUE_MAX)) {
        Ok(()) if conversion.failed == 0 => exit::OK,
        Ok(()) => {
            say(&format!("{} could not be converted", conversion.failed));
            exit::INTERNAL
        }
        Err(Stopped::NobodyReads) => exit::OK,
        Err(Stopped::Failed(reason)) => {
            say(&reason);
            exit::INTERNAL
        }
    }
}

/// Why it ends before the input does.
enum Stopped {
    NobodyReads,
    Failed(String),
}

struct Conversion<W> {
    args: ConvertArgs,
    failed: u64,
    out: W,
}

impl<W: Write> Conversion<W> {
    fn run(&mut self, mut values: Values<impl Read>) -> Result<(), Stopped> {
        loop {
            // Who waits for the output must not have to wait for more input.
            if !values.has_more() {
                self.out.flush()?;
            }
            match values.next() {
                Ok(Some(found)) => self.convert(&found)?,
                Ok(None) => return Ok(self.out.flush()?),
                Err(error) => {
                    self.out.flush()?;
                    let reason = format!("cannot read standard input: {error}");
                    return Err(Stopped::Failed(reason));
                }
            }
        }
    }

    fn convert(&mut self, Found { line, value }: &Found) -> Result<(), Stopped> {
        let events = match value {
            Ok(value) => shape::events(self.args.from, value.get()),
            Err(reason) => Err(reason.clone()),
        };
        let events = match events {
            Ok(events) => events,
            Err(reason) => {
                self.fail(&format!("line {line}: {reason}"));
                return Ok(());
            }
        };
        for (index, event) in events.iter().enumerate() {
            match shape::convert(self.args.from, self.args.to, event) {
                Ok(text) => writeln!(self.out, "{text}")?,
                Err(reason) if events.len() == 1 => self.fail(&format!("line {line}: {reason}")),
                Err(reason) => self.fail(&format!("line {line}, event {}: {reason}", index + 1)),
            }
        }
        Ok(())
    }

    fn fail(&mut self, what: &str) {
        self.failed += 1;
        if self.failed <= TOLD_MAX {
            say(what);
        }
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(format!("cannot write to standard output: {error}")),
        }
    }
}

/// Says something to the person at the terminal, who may have gone.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "vod-relay convert: {text}");
}
