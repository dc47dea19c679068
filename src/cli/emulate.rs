//! `vod-relay emulate`: the VOD event API on this machine, to develop against.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::emulator::{
    Account, Action, BadHandle, ClockSkew, Control, Empty, Emulator, FaultKind, Faults, Options,
};
use crate::secret::Secret;

const FAULT_HELP: &str = "\
What goes wrong, and with which probability from 0 to 1; may be given several times.

Nothing is done:
  http-500        HTTP 500 with a text that is not JSON
  reset           the connection is reset without an answer
  garbage         HTTP 200 with a text that is not JSON
  throttle        the error RequestLimitExceeded
  internal-error  the error InternalError
  refuse          the error UnauthorizedOperation
It is done, but the client does not see it, or sees it late:
  truncate        the connection ends in the middle of the answer
  stall           the answer comes after --stall
  lost-pull       events are leased, but the connection ends without an answer
  lost-confirm    events are confirmed, but the connection ends without an answer

Each request throws one die per kind, in this order, and the first hit counts. PUT \
/_emulator/faults changes the faults while it runs.";

const ABOUT: &str = "\
Emulates the VOD event API on this machine: PullEvents and ConfirmEvents with leases, \
redelivery, signatures and the errors of VOD.

Point a source, or any of the vendor's SDKs, at the address it prints. Push events with \
`curl --data-binary @events.json ADDRESS/_emulator/events?sub_app_id=N`, look at what happened \
with `curl ADDRESS/_emulator/state`.";

/// Emulates the VOD event API on this machine, to develop and test against.
#[derive(Debug, Clone, Args)]
#[command(long_about = ABOUT)]
pub(super) struct EmulateArgs {
    /// Where to listen; port 0 picks a free one. The address is printed on stderr.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,

    /// The secret id of the account that may call. For development only.
    #[arg(long, value_name = "ID", default_value = "AKIDemulator")]
    secret_id: String,

    /// The secret key of that account. For development only: never give it a real one.
    #[arg(long, value_name = "KEY", default_value = "emulator-secret")]
    secret_key: Secret,

    /// The session token of that account, as for temporary credentials. Requests must carry it.
    #[arg(long, value_name = "TOKEN")]
    token: Option<Secret>,

    /// Another account that may call, for all applications or only for these.
    #[arg(long = "account", value_name = "ID:KEY[@SUB_APP_ID,...]")]
    accounts: Vec<Account>,

    /// An action that nobody may perform, such as `ConfirmEvents`; may be given several times.
    #[arg(long = "deny", value_name = "ACTION")]
    denied: Vec<Action>,

    /// How many sample events wait from the start.
    #[arg(long, value_name = "N", default_value_t = 0)]
    events: u64,

    /// Events that wait from the start: JSON Lines, an array, or a whole answer of a pull.
    #[arg(long, value_name = "FILE")]
    events_file: Option<PathBuf>,

    /// How many sample events come per second while it runs.
    #[arg(long, value_name = "N", default_value_t = 0)]
    rate: u32,

    /// The application that these events are for. Without it, the first one that pulls gets them.
    #[arg(long, value_name = "N")]
    sub_app_id: Option<u64>,

    /// How long a pulled event can be confirmed before it is handed out again.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    visibility: Duration,

    /// How long a pull waits for an event.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    hold: Duration,

    /// How much longer every call takes, as on the way to a distant server: half of it passes before
    /// the call is done, half before the answer goes out.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    latency: Duration,

    /// How a pull without events is answered: with an error as VOD does, or with a set of events
    /// that is null, absent, or an empty list.
    #[arg(long, value_name = "error|null|absent|list", default_value = "error")]
    empty: Empty,

    /// What goes wrong, and how often, such as `throttle=0.1`; --help lists the kinds.
    #[arg(long = "fault", value_name = "KIND=P", value_parser = Faults::parse_one, long_help = FAULT_HELP)]
    faults: Vec<(FaultKind, f64)>,

    /// How long the fault `stall` holds an answer back.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = humantime::parse_duration)]
    stall: Duration,

    /// How far the emulator's clock is off, such as 10m or -10m. VOD tolerates 5m.
    #[arg(long, value_name = "TIME", default_value = "0s", allow_hyphen_values = true)]
    clock_skew: ClockSkew,

    /// What one late or unknown handle does to a confirm that also has good ones: none of them is
    /// confirmed (all), or the good ones are (one). The confirm is refused either way.
    #[arg(long, value_name = "all|one", default_value = "all")]
    bad_handle: BadHandle,

    /// The role of this machine: the metadata service gives its credentials.
    #[arg(long, value_name = "NAME")]
    role: Option<String>,

    /// The token that STS takes for temporary credentials. Without it nobody gets any there.
    #[arg(long, value_name = "TOKEN")]
    web_identity_token: Option<Secret>,

    /// The provider id that must come with that token, instead of any.
    #[arg(long, value_name = "ID", requires = "web_identity_token")]
    provider_id: Option<String>,

    /// The role ARN that must come with that token, instead of any.
    #[arg(long, value_name = "ARN", requires = "web_identity_token")]
    role_arn: Option<String>,

    /// How long temporary credentials live, at most.
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = humantime::parse_duration)]
    credential_lifetime: Duration,

    /// Where the dice of the faults start, to get the same faults again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl EmulateArgs {
    /// The emulator that these arguments ask for.
    fn options(&self) -> Options {
        let first = Account {
            secret_id: self.secret_id.clone(),
            secret_key: self.secret_key.expose().to_owned(),
            token: self.token.as_ref().map(|token| token.expose().to_owned()),
            sub_app_ids: None,
        };
        Options {
            listen: self.listen,
            accounts: std::iter::once(first).chain(self.accounts.iter().cloned()).collect(),
            denied: self.denied.clone(),
            visibility: self.visibility,
            hold: self.hold,
            latency: self.latency,
            empty: self.empty,
            faults: self.faults.iter().copied().collect(),
            stall: self.stall,
            clock_skew: self.clock_skew,
            bad_handle: self.bad_handle,
            seed: self.seed,
            role: self.role.clone(),
            web_identity_token: self.web_identity_token.clone(),
            provider_id: self.provider_id.clone(),
            role_arn: self.role_arn.clone(),
            credential_lifetime: self.credential_lifetime,
        }
    }
}

/// Runs an emulator until `stop` is done.
///
/// # Errors
///
/// The address cannot be bound, or the first events cannot be read or do not fit.
pub(super) async fn run(
    args: EmulateArgs,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), String> {
    let emulator = Emulator::bind(args.options()).await;
    let emulator = emulator.map_err(|error| cannot_listen(args.listen, &error))?;
    let control = emulator.control();
    push_first_events(&args, &control).await?;
    // A closed stderr only means that nobody wants to know.
    let _closed = writeln!(io::stderr(), "listening on {}", emulator.url());
    tokio::select! {
        () = emulator.run(stop) => {}
        () = control.feed(args.sub_app_id, args.events, args.rate) => {}
    }
    Ok(())
}

async fn push_first_events(args: &EmulateArgs, control: &Control) -> Result<(), String> {
    if let Some(file) = &args.events_file {
        push_file(file, args.sub_app_id, control).await?;
    }
    let pushed = control.push_samples(args.sub_app_id, 0, args.events);
    pushed.map_err(|error| format!("--events {} is too much: {error}", args.events))?;
    Ok(())
}

async fn push_file(file: &Path, app: Option<u64>, control: &Control) -> Result<(), String> {
    let in_file = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = tokio::fs::read_to_string(file).await.map_err(|error| in_file(&error))?;
    let pushed = control.push_all(app, &text).map_err(|error| in_file(&error))?;
    if pushed.is_empty() {
        return Err(in_file(&"there are no events in it"));
    }
    Ok(())
}

fn cannot_listen(listen: SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: choose another port with --listen, or port 0 for any \
             free one"
        }
        _ => "; choose another address with --listen",
    };
    format!("cannot listen on {listen}: {error}{advice}")
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches as _};

    use super::*;

    fn parsed(line: &str) -> Result<EmulateArgs, clap::Error> {
        let command = EmulateArgs::augment_args(Command::new("emulate"));
        let matches = command.try_get_matches_from(line.split(' '))?;
        EmulateArgs::from_arg_matches(&matches)
    }

    #[test]
    fn the_arguments_defaults_are_those_of_the_emulator() {
        let options = parsed("emulate").expect("no argument is needed").options();
        assert_eq!(format!("{options:?}"), format!("{:?}", Options::default()));
        let account = options.accounts.first().expect("an account");
        assert_eq!(*account, Account::default());
    }

    #[test]
    fn everything_can_be_set() {
        let line = "emulate --listen 127.0.0.1:0 --account A:b@1,2 --token t --deny PullEvents --visibility 3s \
                    --hold 500ms --latency 20ms --empty null --fault reset=0.5 --fault stall=1 --stall 1m \
                    --clock-skew -10m --bad-handle one --seed 7 --role relay \
                    --web-identity-token jwt --provider-id p --role-arn a --credential-lifetime 1m";
        let options = parsed(line).expect("all good").options();
        assert_eq!(options.clock_skew, ClockSkew::Behind(Duration::from_secs(600)));
        assert_eq!((options.hold, options.stall.as_secs()), (Duration::from_millis(500), 60));
        assert_eq!(options.latency, Duration::from_millis(20));
        assert_eq!((options.empty, options.bad_handle), (Empty::Null, BadHandle::One));
        assert_eq!(options.credential_lifetime, Duration::from_secs(60));
        assert_eq!(options.web_identity_token, Some("jwt".to_owned().into()));
        let names = [&options.role, &options.provider_id, &options.role_arn];
        assert_eq!(names.map(|name| name.as_deref().expect("given")), ["relay", "p", "a"]);
        assert_eq!((options.accounts.len(), options.denied), (2, vec![Action::PullEvents]));
        let faults = [(FaultKind::Reset, 0.5), (FaultKind::Stall, 1.0)].into_iter().collect();
        assert_eq!(options.faults, faults);
        for wrong in
            ["--fault fire=1", "--deny Pull", "--empty none", "--visibility 3", "--account x"]
        {
            parsed(&format!("emulate {wrong}")).expect_err(wrong);
        }
    }

    #[test]
    fn the_help_names_every_fault_and_the_debug_output_no_key() {
        let mut command = EmulateArgs::augment_args(Command::new("emulate"));
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        let named = FaultKind::ALL.map(|kind| help.find(&format!("  {kind} ")).expect("its name"));
        assert_eq!(named.len(), FaultKind::ALL.len());
        let shown = format!("{:?}", parsed("emulate --secret-key k3y --token t0k").expect("good"));
        assert!(!shown.contains("k3y") && !shown.contains("t0k"), "{shown}");
    }
}
