//! Temporary credentials, as those who ask for them see it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vod_relay::emulator::{Account, Options};
use vod_relay::secret::Secret;
use vod_relay::time;

use super::{Answer, Caller, World, quick};

const METADATA: &str = "/latest/meta-data/cam/security-credentials/";

fn issuing() -> Options {
    Options {
        role: Some("CVMas".to_owned()),
        web_identity_token: Some(Secret::from("jwt".to_owned())),
        provider_id: Some("tke".to_owned()),
        ..quick()
    }
}

async fn metadata(world: &World, name: &str) -> Answer {
    let url = format!("{}{METADATA}{name}", world.url);
    Answer::read(world.client.get(url).send().await.expect("an answer")).await.expect("all of it")
}

/// A call of `AssumeRoleWithWebIdentity`, with some headers and parameters changed or, where null,
/// left out.
async fn assume_role(world: &World, headers: &Value, params: &Value) -> Answer {
    let mut head = json!({
        "Authorization": "SKIP",
        "X-TC-Action": "AssumeRoleWithWebIdentity",
        "X-TC-Version": "2018-08-13",
        "X-TC-Region": "ap-guangzhou",
        "X-TC-Timestamp": time::unix_seconds(time::wall_clock()).to_string(),
    });
    let mut body = json!({
        "ProviderId": "tke",
        "WebIdentityToken": "jwt",
        "RoleArn": "qcs::cam::uin/1:roleName/r",
        "RoleSessionName": "vod-relay-1",
        "DurationSeconds": 7200,
    });
    for (whole, changes) in [(&mut head, headers), (&mut body, params)] {
        let whole = whole.as_object_mut().expect("an object");
        whole.extend(changes.as_object().expect("an object").clone());
        whole.retain(|_, value| !value.is_null());
    }
    let mut request = world.client.post(&world.url).body(body.to_string());
    for (name, value) in head.as_object().expect("an object") {
        request = request.header(name, value.as_str().expect("a text"));
    }
    Answer::read(request.send().await.expect("an answer")).await.expect("all of it")
}

/// Someone with the temporary credentials of an answer.
fn holder(keys: &Value) -> Caller {
    let text = |name: &str| keys[name].as_str().expect(name).to_owned();
    let (secret_id, secret_key) = (text("TmpSecretId"), text("TmpSecretKey"));
    let account =
        Account { secret_id, secret_key, token: Some(text("Token")), ..Account::default() };
    Caller { account, ..Caller::default() }
}

#[tokio::test]
async fn a_machine_with_a_role_gets_its_credentials() {
    let world = World::start(issuing()).await;
    assert_eq!(metadata(&world, "").await.text, "CVMas");
    let answer = metadata(&world, "CVMas").await;
    assert_eq!(answer.json["Code"], "Success");
    let expired_time = answer.json["ExpiredTime"].as_u64().expect("seconds");
    let left = expired_time - time::unix_seconds(time::wall_clock());
    assert!((7100..=7200).contains(&left), "{left}");
    let expiration = time::from_unix_seconds(expired_time);
    let expiration = humantime::format_rfc3339_seconds(expiration).to_string();
    assert_eq!(answer.json["Expiration"], expiration);
    assert_eq!(metadata(&world, "CVMas").await.json, answer.json, "the same for a while");
    assert_eq!(world.code_of(&holder(&answer.json), "{}").await, "ResourceNotFound");

    assert_eq!(metadata(&world, "other").await.status, 404);
    let without = World::start(quick()).await;
    assert_eq!(metadata(&without, "").await.status, 404);
}

#[tokio::test]
async fn temporary_credentials_need_their_token_and_end() {
    let world = World::start(issuing()).await;
    let holder = holder(&metadata(&world, "CVMas").await.json);
    for token in [None, Some("another".to_owned())] {
        let account = Account { token, ..holder.account.clone() };
        let caller = Caller { account, ..Caller::default() };
        assert_eq!(world.code_of(&caller, "{}").await, "AuthFailure.TokenFailure");
    }
    assert_eq!(world.code_of(&holder, "{}").await, "ResourceNotFound");
    let ended = world.control_request(Method::DELETE, "credentials", String::new()).await;
    assert_eq!(ended.json, json!({ "ended": 1 }));
    assert_eq!(world.code_of(&holder, "{}").await, "AuthFailure.TokenFailure");
    let state = world.state();
    assert_eq!((state.credentials.refused_calls, state.credentials.issued), (3, 1));
    assert_eq!(state.secret_ids["temporary"]["PullEvents"], 4);

    // The other way to end: their time is over the moment that they are issued.
    let brief = Options { credential_lifetime: Duration::from_millis(1), ..issuing() };
    let world = World::start(brief).await;
    let keys = metadata(&world, "CVMas").await.json;
    assert_eq!(world.code_of(&self::holder(&keys), "{}").await, "AuthFailure.TokenFailure");
}

#[tokio::test]
async fn a_token_buys_credentials() {
    let world = World::start(issuing()).await;
    let answer = assume_role(&world, &json!({}), &json!({ "DurationSeconds": 60 })).await;
    assert_eq!(answer.code(), None, "{answer:?}");
    let holder = holder(&answer.response()["Credentials"]);
    assert_eq!(world.code_of(&holder, "{}").await, "ResourceNotFound");
    let expired_time = answer.response()["ExpiredTime"].as_u64().expect("seconds");
    let left = expired_time - time::unix_seconds(time::wall_clock());
    assert!((1..=60).contains(&left), "{left}");
    assert!(answer.response()["Expiration"].as_str().is_some_and(|text| text.ends_with('Z')));
}

#[tokio::test]
async fn a_purchase_is_checked() {
    let world = World::start(issuing()).await;
    let headers = [
        (json!({ "Authorization": null }), "MissingParameter"),
        (json!({ "Authorization": "TC3" }), "AuthFailure.InvalidAuthorization"),
        (json!({ "X-TC-Token": "t" }), "AuthFailure.InvalidAuthorization"),
        (json!({ "X-TC-Region": null }), "MissingParameter"),
        (json!({ "X-TC-Version": "2018-07-17" }), "NoSuchVersion"),
    ];
    for (headers, expected) in headers {
        let answer = assume_role(&world, &headers, &json!({})).await;
        assert_eq!(answer.code(), Some(expected), "{headers}");
    }
    let params = [
        (json!({ "WebIdentityToken": "old" }), "InvalidParameter.WebIdentityTokenError"),
        (json!({ "ProviderId": "other" }), "InvalidParameter.ParamError"),
        (json!({ "RoleArn": null }), "MissingParameter"),
        (json!({ "RoleSessionName": "a name" }), "InvalidParameter.ParamError"),
        (json!({ "DurationSeconds": 43_201 }), "InvalidParameter.OverLimit"),
        (json!({ "Policy": "x" }), "UnknownParameter"),
    ];
    for (params, expected) in params {
        let answer = assume_role(&world, &json!({}), &params).await;
        assert_eq!(answer.code(), Some(expected), "{params}");
    }
    let asked = world.state().credentials;
    assert_eq!((asked.sts_requests, asked.issued), (11, 0));

    let without = World::start(quick()).await;
    let answer = assume_role(&without, &json!({}), &json!({})).await;
    assert_eq!(answer.code(), Some("UnauthorizedOperation"));
}

#[tokio::test]
async fn who_issues_can_be_down_and_an_account_can_be_taken_away() {
    let world = World::start(issuing()).await;
    let issuing = |up: bool| json!({ "issuing": up }).to_string();
    world.control_request(Method::PUT, "credentials", issuing(false)).await;
    assert_eq!(metadata(&world, "CVMas").await.status, 503);
    assert_eq!(assume_role(&world, &json!({}), &json!({})).await.status, 503);
    world.control_request(Method::PUT, "credentials", issuing(true)).await;
    assert_eq!(metadata(&world, "CVMas").await.status, 200);
    let wrong = world.control_request(Method::PUT, "credentials", "{}".to_owned()).await;
    assert_eq!(wrong.status, 400);

    let own = Caller::default();
    assert_eq!(world.code_of(&own, "{}").await, "ResourceNotFound");
    let path = format!("credentials/{}", own.account.secret_id);
    for status in [200, 404] {
        let answer = world.control_request(Method::DELETE, &path, String::new()).await;
        assert_eq!(answer.status, status);
    }
    assert_eq!(world.code_of(&own, "{}").await, "AuthFailure.SecretIdNotFound");
}
