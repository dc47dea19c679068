//! Several sources in one relay.

use std::time::Duration;

use vod_relay::emulator::{Account, Options, sample};

use crate::world::{App, World, scaled, sorted, source_of};

#[tokio::test]
async fn each_source_is_pulled_and_confirmed_with_its_own_key() {
    let world = two_accounts().await;
    let first: Vec<_> = (0..40).map(|n| world.vod.push(Some(1), &sample(n)).unwrap()).collect();
    let second: Vec<_> = (40..60).map(|n| world.vod.push(Some(2), &sample(n)).unwrap()).collect();
    let (one, two, all) = (App::new().await, App::new().await, App::new().await);
    let text = [
        source(&world, "one", &account(1)),
        source(&world, "two", &account(2)),
        one.sink("one", "sources = [\"one\"]"),
        two.sink("two", "sources = [\"two\"]"),
        all.sink("all", ""),
    ];
    let relay = world.raw_config(&text.concat()).start();
    world.until_confirmed(60).await;
    assert_eq!(relay.stop().await.code, Some(0));
    assert_eq!(one.distinct_ids(), sorted(&first));
    assert_eq!(two.distinct_ids(), sorted(&second));
    assert_eq!(all.distinct_ids(), sorted(first.iter().chain(&second)));
    let state = world.vod.state();
    for queue in &state.queues {
        let expected = if queue.sub_app_id == Some(1) { 40 } else { 20 };
        assert_eq!(queue.confirmed, expected, "{queue:?}");
    }
    for account in [account(1), account(2)] {
        let calls = &state.secret_ids[&account.secret_id];
        assert!(calls["PullEvents"] > 0 && calls["ConfirmEvents"] > 0, "{calls:?}");
    }
    assert!(state.errors.keys().all(|code| code == "ResourceNotFound"), "{:?}", state.errors);
}

#[tokio::test]
async fn a_source_that_is_refused_does_not_stop_the_other() {
    let world = two_accounts().await;
    let app = App::new().await;
    let wrong = Account { secret_key: "wrong".to_owned(), ..account(2) };
    let text = [
        source(&world, "good", &account(1)),
        source(&world, "refused", &wrong),
        app.sink("app", ""),
    ];
    let relay = world.raw_config(&text.concat()).start();
    relay.says("AuthFailure.SignatureFailure").await;
    relay.says("source.name=refused").await;
    let ids: Vec<_> = (0..20).map(|n| world.vod.push(Some(1), &sample(n)).unwrap()).collect();
    world.until_confirmed(20).await;
    assert_eq!(app.distinct_ids(), sorted(&ids));
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let refusals: Vec<_> = ended.stderr.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(refusals.iter().all(|line| line.contains("RequestId")), "{refusals:?}");
    assert!(world.vod.state().errors["AuthFailure.SignatureFailure"] <= 2, "rarely tried");
}

#[tokio::test]
async fn a_relay_that_is_refused_everywhere_ends() {
    let world = two_accounts().await;
    let app = App::new().await;
    let wrong = |n| Account { secret_key: "wrong".to_owned(), ..account(n) };
    let text =
        [source(&world, "one", &wrong(1)), source(&world, "two", &wrong(2)), app.sink("app", "")];
    for args in [&[][..], &["--once"]] {
        let ended = world.raw_config(&text.concat()).run(args).await;
        assert_eq!(ended.code, Some(77), "{ended:?}");
        for name in ["one", "two"] {
            assert!(ended.stderr.contains(&format!("source.name={name}")), "{ended:?}");
        }
    }
}

/// The account that owns the application of this number.
fn account(n: u64) -> Account {
    Account {
        secret_id: format!("AKIDof{n}"),
        secret_key: format!("key-of-{n}"),
        sub_app_ids: Some(vec![n]),
        ..Account::default()
    }
}

async fn two_accounts() -> World {
    let accounts = vec![account(1), account(2)];
    World::with(Options { accounts, ..scaled(Duration::from_secs(30)) }).await
}

/// A source of the account's own application.
fn source(world: &World, name: &str, account: &Account) -> String {
    let app = account.sub_app_ids.as_ref().unwrap()[0];
    source_of(&world.url, name, account, &format!("sub_app_id = {app}"))
}
