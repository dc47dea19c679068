//! When the watchdog is fed: only while the pull loops make progress.
//!
//! It is fed while the loop of every source that pulls has turned lately *and* VOD has been heard
//! by one of them lately: an answer, were it a refusal, or a pause that the relay itself wishes, as
//! with a full spool. So an idle relay is fed, and a busy one, and one whose sinks hang. One whose
//! every call to VOD ends in nothing is not, nor one with a loop that is stuck.
//!
//! "Lately" is half of the watchdog's time. Where that is less than one call which gets lost and the
//! long poll after it may take, it is as long as these, so that they end no service.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Interval;

use crate::board::{PullFace, Shown};
use crate::progress::Vitals;
use crate::time::Instant;

/// The variables of the service manager.
const TIME_VARIABLE: &str = "WATCHDOG_USEC";
const PROCESS_VARIABLE: &str = "WATCHDOG_PID";

/// For how long VOD holds a pull that finds nothing, and what a busy machine may add to that.
const LONG_POLL: Duration = Duration::from_secs(6);

/// How many looks there are while the service manager is patient, so that one which falls into an
/// outage that is just over costs nothing.
const LOOKS: u32 = 8;

/// The shortest time between two looks, whatever the service manager asks for.
const LOOK_MIN: Duration = Duration::from_millis(5);

/// The service manager's watchdog.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// Half of the time after which the service manager loses its patience.
    half: Duration,
    looks: Interval,
}

impl Watchdog {
    /// The watchdog that the environment of this process asks for.
    pub(super) fn of_this_process() -> Option<Self> {
        let read = |name| std::env::var(name).ok();
        let half = half_of(read(TIME_VARIABLE)?.as_str(), read(PROCESS_VARIABLE).as_deref())?;
        Some(Self::new(half))
    }

    fn new(half: Duration) -> Self {
        Self { half, looks: super::interval((half * 2 / LOOKS).max(LOOK_MIN)) }
    }

    /// Waits for the time of the next look; without end if there is no watchdog.
    pub(super) async fn due(watchdog: &mut Option<Self>) {
        match watchdog {
            Some(watchdog) => _ = watchdog.looks.tick().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the relay makes progress.
    pub(super) fn is_content(
        &self,
        shown: &Shown,
        vitals: &BTreeMap<String, Vitals>,
        now: Instant,
    ) -> bool {
        makes_progress(self.half, shown, vitals, now)
    }
}

/// Half of the watchdog's time, if it is meant for this process.
fn half_of(time_usec: &str, process: Option<&str>) -> Option<Duration> {
    let time = time_usec.parse().ok().filter(|usec| *usec > 0).map(Duration::from_micros)?;
    let ours = process.is_none_or(|id| id.parse() == Ok(std::process::id()));
    ours.then(|| (time / 2).max(LOOK_MIN))
}

fn makes_progress(
    half: Duration,
    shown: &Shown,
    vitals: &BTreeMap<String, Vitals>,
    now: Instant,
) -> bool {
    let pulling = shown.sources.iter();
    let pulling = pulling.filter_map(|source| Some((source.name.as_str(), source.pull.as_ref()?)));
    let pulling: Vec<(&str, &PullFace)> = pulling.collect();
    let slowest = pulling.iter().map(|(_, pull)| pull.request_timeout).max();
    let lately = half.max(slowest.unwrap_or_default() + LONG_POLL);
    // A source that has just been started is as good as one that has just been heard.
    let within = |pull: &PullFace, at: Option<Instant>| {
        at.map_or(pull.started, |at| at.max(pull.started)) + lately >= now
    };
    let turned = |(name, pull): &(&str, &PullFace)| {
        within(pull, vitals.get(*name).map(|vitals| vitals.turned))
    };
    let heard = |(name, pull): &(&str, &PullFace)| {
        within(pull, vitals.get(*name).and_then(|vitals| vitals.heard))
    };
    // Where nothing is pulled, that this is asked at all is the progress.
    pulling.is_empty() || (pulling.iter().all(turned) && pulling.iter().any(heard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture::source;
    use crate::progress::Pulse;
    use crate::time;

    const HALF: Duration = Duration::from_secs(15);

    /// Sources that were started now, and what makes them known.
    struct Sources {
        shown: Shown,
        pulses: BTreeMap<&'static str, Pulse>,
    }

    impl Sources {
        fn start(names: &[&'static str]) -> Self {
            let sources = names.iter().map(|name| source(name)).collect();
            let shown = Shown { sources, ..Shown::default() };
            let pulses = names.iter().map(|name| (*name, Pulse::default())).collect();
            Self { shown, pulses }
        }

        fn make_progress(&self, half: Duration) -> bool {
            let known =
                |(name, pulse): (&&str, &Pulse)| Some(((*name).to_owned(), pulse.vitals()?));
            let vitals = self.pulses.iter().filter_map(known).collect();
            makes_progress(half, &self.shown, &vitals, time::now())
        }
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_fed_while_vod_answers_and_not_while_every_call_ends_in_nothing() {
        let sources = Sources::start(&["main"]);
        let pulse = &sources.pulses["main"];
        for _ in 0..24 {
            pass(5).await;
            pulse.answered();
            assert!(sources.make_progress(HALF));
        }
        let mut fed_for = 0;
        for seconds in 1..=180 {
            pass(1).await;
            if seconds % 10 == 0 {
                pulse.unreachable("no answer".to_owned(), time::now());
            }
            if sources.make_progress(HALF) {
                fed_for = seconds;
            }
        }
        assert_eq!(fed_for, 16, "the loop turns, but VOD is not heard");
        pulse.answered();
        assert!(sources.make_progress(HALF));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_with_a_reason_is_progress_and_a_stuck_loop_is_none() {
        let sources = Sources::start(&["main", "stuck"]);
        let (main, stuck) = (&sources.pulses["main"], &sources.pulses["stuck"]);
        stuck.answered();
        main.refused("no such key".to_owned(), time::now() + Duration::from_secs(300));
        pass(16).await;
        assert!(sources.make_progress(HALF));
        pass(1).await;
        assert!(!sources.make_progress(HALF), "every loop must turn");
        stuck.unreachable("no answer".to_owned(), time::now());
        assert!(sources.make_progress(HALF), "one of them has heard VOD");
        pass(283).await;
        stuck.paused("the spool is full", time::now());
        assert!(sources.make_progress(HALF));
        pass(17).await;
        stuck.answered();
        assert!(!sources.make_progress(HALF), "the pause of the other one is over");
    }

    #[tokio::test(start_paused = true)]
    async fn one_lost_call_does_no_harm_however_short_the_time_is() {
        for half in [Duration::from_millis(500), Duration::from_secs(3), HALF] {
            let sources = Sources::start(&["main"]);
            sources.pulses["main"].answered();
            // The call that is lost takes 10 s, and the long poll after it 5 s.
            for _ in 0..31 {
                tokio::time::advance(Duration::from_millis(500)).await;
                assert!(sources.make_progress(half));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_that_is_over_in_time_ends_no_service() {
        let sources = Sources::start(&["main"]);
        let (pulse, began) = (&sources.pulses["main"], time::now());
        let mut watchdog = Some(Watchdog::new(HALF));
        let mut fed = began;
        while began.elapsed() < HALF * 8 {
            Watchdog::due(&mut watchdog).await;
            // Just too long for the look at its end, and then all is well again.
            if !(HALF..HALF * 2 + LONG_POLL).contains(&began.elapsed()) {
                pulse.answered();
            }
            if sources.make_progress(HALF) {
                assert!(fed.elapsed() < HALF * 3 / 2, "not fed for {:?}", fed.elapsed());
                fed = time::now();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_a_reload_has_started_has_time_for_its_first_pull() {
        let mut sources = Sources::start(&["old"]);
        sources.pulses["old"].answered();
        pass(3600).await;
        assert!(!sources.make_progress(HALF));
        sources.shown = Sources::start(&["new"]).shown;
        pass(16).await;
        assert!(sources.make_progress(HALF));
        pass(1).await;
        assert!(!sources.make_progress(HALF));
    }

    #[test]
    fn it_is_for_the_process_that_it_names() {
        let own = std::process::id().to_string();
        let half = Some(Duration::from_secs(15));
        assert_eq!(half_of("30000000", None), half);
        assert_eq!(half_of("30000000", Some(&own)), half);
        assert_eq!(half_of("30000000", Some("1")), None);
        assert_eq!(half_of("0", None), None);
        assert_eq!(half_of("soon", None), None);
        assert_eq!(half_of("1", None), Some(LOOK_MIN));
    }
}
