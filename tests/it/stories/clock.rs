//! A machine whose clock is off.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use vod_relay::emulator::{Account, ClockSkew, Options};
use vod_relay::secret::Secret;
use vod_relay::tencent::client::{Client, Settings};
use vod_relay::tencent::credential::{Configured, Credential, Credentials, Files, Outside};

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

#[tokio::test]
async fn calls_that_find_out_at_the_same_time_are_all_mended() {
    let clock_skew = ClockSkew::Ahead(Duration::from_secs(600));
    let world = World::with(Options { clock_skew, ..Options::default() }).await;
    world.push(48);
    let Account { secret_id, secret_key, .. } = Account::default();
    let credential = Credential::new(secret_id, Secret::from(secret_key), None).unwrap();
    let settings = Settings {
        endpoint: world.url.parse().unwrap(),
        region: None,
        sub_app_id: None,
        request_timeout: Duration::from_secs(10),
        max_requests_per_second: 50,
    };
    let (files, outside) = (Files::default(), Outside::of_this_process());
    let configured = Configured { given: credential, files, outside };
    let client = Client::new(settings, Credentials::new(vec![Box::new(configured)])).unwrap();
    let never = CancellationToken::new();
    // All three are signed before the first one is answered.
    let pull = || client.pull_events(&never);
    let (a, b, c) = tokio::join!(pull(), pull(), pull());
    for answer in [a, b, c] {
        assert_eq!(answer.unwrap().pulled.events.len(), 16);
    }
}
