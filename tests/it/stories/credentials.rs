//! Credentials that end, that change, or that somebody takes away.

use std::fs;
use std::time::Duration;

use tokio::net::TcpListener;
use vod_relay::emulator::{Account, Options};
use vod_relay::secret::Secret;
use vod_relay::tencent::credential::{Oidc, Outside, Provider as _};

use crate::world::{App, Closed, Ended, Relay, World, eventually};

const ROLE: &str = "vod-relay";
const TOKEN: &str = "eyJhbGciOi.container-token";
const ARN: &str = "qcs::cam::uin/100000000001:roleName/vod-relay";

/// VOD with a metadata service and STS, and temporary credentials of this length.
fn issuing(lifetime: Duration) -> Options {
    Options {
        hold: Duration::from_millis(50),
        role: Some(ROLE.to_owned()),
        web_identity_token: Some(Secret::from(TOKEN.to_owned())),
        provider_id: Some("tke".to_owned()),
        role_arn: Some(ARN.to_owned()),
        credential_lifetime: lifetime,
        ..Options::default()
    }
}

fn hours() -> Options {
    issuing(Duration::from_secs(7200))
}

/// A relay whose credentials come from somewhere: the keys of `[sources.main.credentials]`.
fn relay(world: &World, app: &App, keys: &str) -> Relay {
    let url = &world.url;
    let text = format!(
        "[sources.main]\nendpoint = \"{url}\"\n[sources.main.credentials]\n{keys}\n{}",
        app.sink("app", "")
    );
    world.raw_config(&text)
}

fn cvm_role(world: &World, app: &App) -> Relay {
    relay(world, app, &format!("provider = \"cvm-role\"\nmetadata_endpoint = \"{}\"", world.url))
}

/// A relay that asks the whole chain.
fn chain(world: &World, app: &App) -> Relay {
    let url = &world.url;
    let keys = "provider = \"chain\"\nmetadata_endpoint";
    relay(world, app, &format!("{keys} = \"{url}\"\nsts_endpoint = \"{url}\""))
}

/// The same in a container of TKE, with the token in the file `token`.
fn in_container(world: &World, relay: Relay) -> Relay {
    fs::write(world.path("token"), format!("{TOKEN}\n")).unwrap();
    relay
        .env("TKE_REGION", "ap-guangzhou")
        .env("TKE_PROVIDER_ID", "tke")
        .env("TKE_ROLE_ARN", ARN)
        .env("TKE_WEB_IDENTITY_TOKEN_FILE", world.path("token").to_str().unwrap())
}

fn write_profile(world: &World, account: &Account) {
    let Account { secret_id, secret_key, .. } = account;
    let dir = world.path(".tencentcloud");
    fs::create_dir_all(&dir).unwrap();
    let text = format!("[default]\nsecret_id = {secret_id}\nsecret_key = {secret_key}\n");
    fs::write(dir.join("credentials"), text).unwrap();
}

/// The secret ids that VOD was called with.
fn callers(world: &World) -> Vec<String> {
    world.vod.state().secret_ids.into_keys().collect()
}

fn is_all_right(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// Lets events flow for as long as `while_` holds, at least one, and waits until all have arrived.
async fn flow(world: &World, app: &App, mut while_: impl FnMut() -> bool) {
    let mut ids = Vec::new();
    while ids.is_empty() || while_() {
        let arrived = app.distinct_ids().len();
        ids.extend(world.push(4));
        eventually("events", || (app.distinct_ids().len() >= arrived + 4).then_some(())).await;
    }
}

/// Lets events flow, and then others for which no call is refused.
async fn flow_without_refusals(world: &World, app: &App) {
    flow(world, app, || false).await;
    world.until_confirmed(world.vod.state().counts.pushed).await;
    let refused = world.vod.state().credentials.refused_calls;
    flow(world, app, || false).await;
    world.until_confirmed(world.vod.state().counts.pushed).await;
    assert_eq!(world.vod.state().credentials.refused_calls, refused);
}

#[tokio::test]
async fn the_chain_takes_the_first_that_has_some() {
    let other = Account {
        secret_id: "AKIDprofile".to_owned(),
        secret_key: "profile-secret".to_owned(),
        ..Account::default()
    };
    let accounts = vec![Account::default(), other.clone()];
    let everything = || async {
        let world = World::with(Options { accounts: accounts.clone(), ..hours() }).await;
        world.push(3);
        write_profile(&world, &other);
        let relay = in_container(&world, chain(&world, &App::new().await));
        (world, relay)
    };
    let Account { secret_id, secret_key, .. } = Account::default();

    let (world, relay) = everything().await;
    let with_keys = relay.env("TENCENTCLOUD_SECRET_ID", &secret_id);
    is_all_right(&with_keys.env("TENCENTCLOUD_SECRET_KEY", &secret_key).once().await);
    assert_eq!(callers(&world), [secret_id]);

    let (world, relay) = everything().await;
    is_all_right(&relay.once().await);
    assert_eq!(callers(&world), [&*other.secret_id]);
    let asked = world.vod.state().credentials;
    assert_eq!((asked.metadata_requests, asked.sts_requests), (0, 0));

    let (world, relay) = everything().await;
    fs::remove_dir_all(world.path(".tencentcloud")).unwrap();
    is_all_right(&relay.once().await);
    let asked = world.vod.state().credentials;
    assert_eq!((asked.metadata_requests, asked.sts_requests, asked.issued), (2, 0, 1));
    assert_eq!(callers(&world), ["temporary"]);
}

#[tokio::test]
async fn a_container_on_a_machine_without_role_uses_its_token() {
    let world = World::with(Options { role: None, ..hours() }).await;
    world.push(3);
    let relay = in_container(&world, chain(&world, &App::new().await));
    is_all_right(&relay.once().await);
    let asked = world.vod.state().credentials;
    assert_eq!((asked.metadata_requests, asked.sts_requests, asked.refused_calls), (1, 1, 0));
    assert_eq!(callers(&world), ["temporary"]);
}

#[tokio::test]
async fn a_metadata_service_that_never_answers_does_not_hold_up_the_chain() {
    // Connections come up and nothing ever comes back.
    let silence = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", silence.local_addr().unwrap());
    let world = World::with(Options { role: None, ..hours() }).await;
    world.push(3);
    let relay = in_container(&world, chain(&world, &App::new().await));
    let metadata = format!("metadata_endpoint = \"{}\"", world.url);
    let relay = relay.moved(&metadata, &format!("metadata_endpoint = \"{silent}\""));
    is_all_right(&relay.once().await);
    assert_eq!(world.vod.state().credentials.sts_requests, 1);

    // Where the role is asked for there is nothing else to take: it is an outage.
    let closed = Closed::new();
    let down = closed.url.trim_end_matches("/vod");
    let relay = cvm_role(&world, &App::new().await);
    let ended = relay.moved(&metadata, &format!("metadata_endpoint = \"{down}\"")).once().await;
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(ended.stderr.contains("cannot be reached: connection refused"), "{ended:?}");
}

#[tokio::test]
async fn what_lacks_is_told_with_its_place() {
    let world = World::with(Options { role: None, ..hours() }).await;
    let app = App::new().await;
    let of = |provider: &str| relay(&world, &app, &format!("provider = \"{provider}\""));
    let half = || chain(&world, &app).env("TKE_REGION", "ap-guangzhou");
    let stranger = || in_container(&world, chain(&world, &app)).env("TKE_PROVIDER_ID", "another");
    let cases: [(&dyn Fn() -> Relay, &str); 7] = [
        (&|| chain(&world, &app), "no credentials found; looked for the environment variables"),
        (&|| cvm_role(&world, &app), "this machine has no role; bind one to it"),
        (&|| of("env"), "looked for the environment variables TENCENTCLOUD_SECRET_ID"),
        (&|| of("profile"), "looked for the file /"),
        (&|| of("oidc"), "TKE_WEB_IDENTITY_TOKEN_FILE, TKE_ROLE_ARN are not set"),
        (&half, "some are not (TKE_PROVIDER_ID, TKE_WEB_IDENTITY_TOKEN_FILE, TKE_ROLE_ARN)"),
        (&stranger, "AssumeRoleWithWebIdentity: InvalidParameter.ParamError"),
    ];
    for (relay, said) in cases {
        let relay = relay();
        let ended = relay.once().await;
        assert_eq!(ended.code, Some(77), "{said}: {ended:?}");
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
        assert!(!ended.stderr.contains("check the secret id"), "{ended:?}");
        assert!(!ended.stderr.contains(TOKEN), "{ended:?}");
    }
}

#[tokio::test]
async fn credentials_that_live_seconds_never_end_under_a_call() {
    let world = World::with(issuing(Duration::from_secs(5))).await;
    let app = App::new().await;
    let running = cvm_role(&world, &app).start();
    // Long enough for several of them, one after the other.
    flow(&world, &app, || world.vod.state().credentials.issued < 3).await;
    is_all_right(&running.stop().await);
    let state = world.vod.state();
    assert_eq!(state.credentials.refused_calls, 0, "{:?}", state.errors);
    assert_eq!((state.counts.confirmed, state.counts.redelivered), (state.counts.pushed, 0));
}

#[tokio::test]
async fn one_fetch_serves_all_pulls() {
    let world = World::with(hours()).await;
    world.push(300);
    let app = App::new().await;
    let running = cvm_role(&world, &app).start();
    world.until_confirmed(300).await;
    // All calls from now on are refused, however many there are at the same time.
    assert_eq!(world.vod.end_credentials(), 1);
    world.push(300);
    world.until_confirmed(600).await;
    is_all_right(&running.stop().await);
    let asked = world.vod.state().credentials;
    // The name of the role and its credentials, twice.
    assert_eq!((asked.metadata_requests, asked.issued), (4, 2));
}

#[tokio::test]
async fn revoked_credentials_are_replaced_at_once() {
    let world = World::with(hours()).await;
    let app = App::new().await;
    let running = in_container(&world, chain(&world, &app)).start();
    flow(&world, &app, || false).await;
    world.vod.end_credentials();
    flow_without_refusals(&world, &app).await;
    let ended = running.stop().await;
    is_all_right(&ended);
    assert!(!ended.stderr.contains("ERROR"), "{ended:?}");
    let state = world.vod.state();
    assert_eq!(state.credentials.issued, 2);
    assert_eq!((state.counts.confirmed, state.counts.redelivered), (state.counts.pushed, 0));
}

#[tokio::test]
async fn old_credentials_serve_while_sts_is_down() {
    let world = World::with(Options { role: None, ..issuing(Duration::from_secs(8)) }).await;
    let app = App::new().await;
    let running = in_container(&world, relay_of_oidc(&world, &app)).start();
    flow(&world, &app, || false).await;
    world.vod.set_issuing(false);
    // It has tried to renew them, in vain, and goes on with those that it has.
    flow(&world, &app, || world.vod.state().credentials.sts_requests < 3).await;
    running.says("using the credentials at hand meanwhile").await;
    assert_eq!(world.vod.state().credentials.refused_calls, 0);
    // A new token has come, which the next call takes.
    world.vod.set_issuing(true);
    flow(&world, &app, || world.vod.state().credentials.issued < 2).await;
    is_all_right(&running.stop().await);
    let state = world.vod.state();
    assert_eq!((state.credentials.refused_calls, state.counts.redelivered), (0, 0));
}

fn relay_of_oidc(world: &World, app: &App) -> Relay {
    relay(world, app, &format!("provider = \"oidc\"\nsts_endpoint = \"{}\"", world.url))
}

#[tokio::test]
async fn services_that_are_down_at_the_start_are_waited_for() {
    let world = World::with(hours()).await;
    let app = App::new().await;
    let container = || in_container(&world, relay_of_oidc(&world, &app));
    let machine = || chain(&world, &app);
    let relays: [&dyn Fn() -> Relay; 2] = [&container, &machine];
    for relay in relays {
        world.vod.set_issuing(false);
        let running = relay().start();
        running.says("the credentials cannot be fetched now").await;
        world.vod.set_issuing(true);
        flow(&world, &app, || false).await;
        is_all_right(&running.stop().await);
    }
}

#[tokio::test]
async fn a_containers_token_is_read_anew_for_each_fetch() {
    let world = World::with(hours()).await;
    let file = world.path("token");
    let variables = |name: &str| match name {
        "TKE_REGION" => Some("ap-guangzhou".into()),
        "TKE_PROVIDER_ID" => Some("tke".into()),
        "TKE_ROLE_ARN" => Some(ARN.into()),
        "TKE_WEB_IDENTITY_TOKEN_FILE" => Some("token".into()),
        _ => None,
    };
    let outside = Outside::new(variables, move |_| fs::read_to_string(&file), None);
    let endpoint = world.url.parse().unwrap();
    let oidc = Oidc { outside, endpoint, required: false };
    for (token, is_known) in [(TOKEN, true), ("an-old-token", false), (TOKEN, true), ("", false)] {
        fs::write(world.path("token"), token).unwrap();
        let fetched = oidc.fetch().await;
        assert_eq!(fetched.is_ok(), is_known, "{token}: {fetched:?}");
    }
    let state = world.vod.state();
    assert_eq!((state.credentials.sts_requests, state.credentials.issued), (3, 2));
    assert_eq!(state.errors["InvalidParameter.WebIdentityTokenError"], 1);
}

/// Two accounts, of which the files `id` and `key` hold the first.
async fn rotating() -> (World, [Account; 2]) {
    let account = |n: u8| Account {
        secret_id: format!("AKIDnumber{n}"),
        secret_key: format!("secret-of-{n}"),
        ..Account::default()
    };
    let accounts = [account(1), account(2)];
    let hold = Duration::from_millis(50);
    let options = Options { accounts: accounts.to_vec(), hold, ..Options::default() };
    let world = World::with(options).await;
    write_files(&world, &accounts[0]);
    (world, accounts)
}

fn write_files(world: &World, account: &Account) {
    fs::write(world.path("id"), format!("{}\n", account.secret_id)).unwrap();
    fs::write(world.path("key"), format!("{}\n", account.secret_key)).unwrap();
}

fn from_files(world: &World, app: &App) -> Relay {
    let dir = world.dir.path().to_str().unwrap();
    let of = "${CREDENTIALS_DIRECTORY}";
    let keys = format!("secret_id_file = \"{of}/id\"\nsecret_key_file = \"{of}/key\"");
    relay(world, app, &keys).env("CREDENTIALS_DIRECTORY", dir)
}

#[tokio::test]
async fn a_key_in_files_is_changed_while_events_flow() {
    let (world, [old, new]) = rotating().await;
    let app = App::new().await;
    let running = from_files(&world, &app).start();
    flow(&world, &app, || false).await;
    write_files(&world, &new);
    world.vod.revoke(&old.secret_id);
    flow_without_refusals(&world, &app).await;
    let ended = running.stop().await;
    is_all_right(&ended);
    assert!(ended.stderr.contains("using the credentials AKIDnumb"), "{ended:?}");
    let state = world.vod.state();
    assert_eq!((state.counts.confirmed, state.counts.redelivered), (state.counts.pushed, 0));
}

#[tokio::test]
async fn a_change_of_files_is_noticed_before_the_old_key_is_revoked() {
    let (world, [old, new]) = rotating().await;
    let app = App::new().await;
    let running = from_files(&world, &app).start();
    flow(&world, &app, || false).await;
    // Half of a change, with a file that is not written yet: the old key goes on.
    fs::write(world.path("key"), "").unwrap();
    running.says("the secret_key is empty").await;
    flow(&world, &app, || false).await;
    write_files(&world, &new);
    flow(&world, &app, || !callers(&world).contains(&new.secret_id)).await;
    world.vod.revoke(&old.secret_id);
    flow(&world, &app, || false).await;
    is_all_right(&running.stop().await);
    let state = world.vod.state();
    assert_eq!(state.credentials.refused_calls, 0, "{:?}", state.errors);
    assert_eq!((state.counts.confirmed, state.counts.redelivered), (state.counts.pushed, 0));
}

#[tokio::test]
async fn a_change_of_the_profile_file_is_noticed_before_the_old_key_is_revoked() {
    let (world, [old, new]) = rotating().await;
    write_profile(&world, &old);
    let app = App::new().await;
    let running = relay(&world, &app, "provider = \"profile\"").start();
    flow(&world, &app, || false).await;
    write_profile(&world, &new);
    flow(&world, &app, || !callers(&world).contains(&new.secret_id)).await;
    world.vod.revoke(&old.secret_id);
    flow(&world, &app, || false).await;
    is_all_right(&running.stop().await);
    let state = world.vod.state();
    assert_eq!(state.credentials.refused_calls, 0, "{:?}", state.errors);
    assert_eq!((state.counts.confirmed, state.counts.redelivered), (state.counts.pushed, 0));
}

#[tokio::test]
async fn a_file_that_is_half_written_stops_nothing() {
    let (world, [_, new]) = rotating().await;
    let app = App::new().await;
    let running = from_files(&world, &app).start();
    flow(&world, &app, || false).await;
    let cut_off = Account { secret_key: new.secret_key[..4].to_owned(), ..new };
    write_files(&world, &cut_off);
    flow(&world, &app, || world.vod.state().credentials.refused_calls == 0).await;
    running.says("VOD refuses the new credentials AKIDnumb").await;
    flow(&world, &app, || false).await;
    is_all_right(&running.stop().await);
    let state = world.vod.state();
    assert_eq!((state.counts.confirmed, state.counts.redelivered), (state.counts.pushed, 0));
}
