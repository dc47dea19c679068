//! A machine whose clock is off.

use std::time::Duration;

use vod_relay::emulator::{ClockSkew, Options};

use crate::world::{App, World, sorted};

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_and_told_once() {
    let by = Duration::from_secs(600);
    for clock_skew in [ClockSkew::Ahead(by), ClockSkew::Behind(by)] {
        let hold = Duration::from_millis(50);
        let world = World::with(Options { clock_skew, hold, ..Options::default() }).await;
        let ids = world.push(100);
        let app = App::new().await;
        let ended = world.config("", &app.sink("app", "")).once().await;
        assert_eq!(ended.code, Some(0), "{clock_skew:?}: {ended:?}");
        assert_eq!(app.distinct_ids(), sorted(&ids));
        let state = world.vod.state();
        assert_eq!(state.counts.confirmed, 100);
        // One call finds out; what was sent at the same time may find out too.
        assert!(state.errors["AuthFailure.SignatureExpire"] <= 2, "{:?}", state.errors);
        let warned = ended.stderr.matches("VOD's clock is").count();
        assert_eq!(warned, 1, "{clock_skew:?}: {ended:?}");
        let direction = match clock_skew {
            ClockSkew::Ahead(_) => "ahead of",
            ClockSkew::Behind(_) => "behind",
        };
        assert!(ended.stderr.contains(direction), "{clock_skew:?}: {ended:?}");
    }
}
