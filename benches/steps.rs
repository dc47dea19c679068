//! What each step of an event's way costs, on one core and without a network.
//!
//! `cargo bench` measures; `cargo bench -- --test` runs each step once.

use std::sync::Arc;
use std::time::SystemTime;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use vod_relay::emulator::sample;
use vod_relay::event::{Event, EventId};
use vod_relay::format::{Format, Input};
use vod_relay::secret::Secret;
use vod_relay::sign_key::SignKey;
use vod_relay::sink::webhook::signature::Signer;
use vod_relay::store::{NewSpooled, Store};
use vod_relay::tencent::Pulled;
use vod_relay::tencent::credential::Credential;
use vod_relay::tencent::tc3::{self, Request};
use vod_relay::time;

/// The most events of one answer.
const FULL: u64 = 16;
/// The time of every signature.
const TIME: u64 = 1_700_000_000;

fn signing(criterion: &mut Criterion) {
    let credential = Credential {
        secret_id: "AKIDbench".to_owned(),
        secret_key: Secret::from("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE".to_owned()),
        token: None,
    };
    let handles: Vec<_> = (0..FULL).map(|n| format!("\"tdmq8308950000000{n:05}\"")).collect();
    let body = format!("{{\"EventHandles\":[{}],\"SubAppId\":1500000001}}", handles.join(","));
    let request = Request {
        host: "vod.tencentcloudapi.com",
        service: "vod",
        action: "ConfirmEvents",
        version: "2018-07-17",
        region: None,
        language: None,
        body: body.as_bytes(),
    };
    let now = time::from_unix_seconds(TIME);
    criterion.bench_function("sign a confirm of 16 handles (TC3)", |bencher| {
        bencher.iter(|| tc3::sign(&request, &credential, now));
    });
}

fn decoding(criterion: &mut Criterion) {
    let answer = answer();
    let mut group = criterion.benchmark_group("decoding");
    group.throughput(Throughput::Bytes(answer.len() as u64));
    group.bench_function("an answer of 16 events", |bencher| {
        bencher.iter_batched(|| answer.clone(), Pulled::parse, BatchSize::SmallInput);
    });
    group.finish();
}

fn identity(criterion: &mut Criterion) {
    let event = Event::from_content(sample(0));
    let mut group = criterion.benchmark_group("event");
    group.throughput(Throughput::Bytes(event.text().len() as u64));
    group.bench_function("identity", |bencher| {
        bencher.iter(|| EventId::of(event.event_type(), event.body()));
    });
    group.finish();
}

fn formats(criterion: &mut Criterion) {
    let event = Event::from_content(sample(0));
    let now = time::from_unix_seconds(TIME);
    let input = Input { event: &event, received: now, sub_app_id: Some(1_500_000_001), now };
    let key = SignKey::new(Secret::from("Signkey0123456789".to_owned())).expect("a good key");
    let formats = [
        ("callback", Format::Callback),
        ("callback, signed", Format::SignedCallback(key)),
        ("callback-v2", Format::CallbackV2 { fallback: false }),
        ("cloudevents", Format::CloudEvents),
        ("cloudevents-binary", Format::CloudEventsBinary),
    ];
    let mut group = criterion.benchmark_group("format");
    for (name, format) in formats {
        format.render(input).expect("the sample has every shape");
        group.bench_function(name, |bencher| bencher.iter(|| format.render(input)));
    }
    group.finish();
}

fn webhook_signature(criterion: &mut Criterion) {
    let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
    let signer = Signer::new(&[secret]).expect("a good secret");
    let event = Event::from_content(sample(0));
    criterion.bench_function("sign a webhook (Standard Webhooks)", |bencher| {
        bencher.iter(|| signer.sign(event.id(), TIME, event.text()));
    });
}

fn store(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
    let runtime = runtime.expect("a runtime");
    let (source, sink): (Arc<str>, Arc<str>) = ("main".into(), "app".into());
    let event = Event::from_content(sample(0));
    let mut number = 0_u128;
    let mut batch = || {
        let spooled = |_| {
            number += 1;
            NewSpooled {
                id: EventId::from(number.to_be_bytes()),
                text: event.text().clone(),
                sinks: vec![Arc::clone(&sink)],
                received: SystemTime::UNIX_EPOCH,
            }
        };
        (0..FULL).map(spooled).collect::<Vec<_>>()
    };
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(FULL));
    // Each is a sync, so few of them are enough.
    group.sample_size(20);
    group.bench_function("append 16 events, synced", |bencher| {
        bencher.iter_batched(
            &mut batch,
            |events| runtime.block_on(store.append(Arc::clone(&source), events)).expect("stored"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// A full answer of `PullEvents`.
fn answer() -> Vec<u8> {
    let event = |n| {
        let sample = sample(n);
        let rest = sample.strip_prefix('{').unwrap_or_default();
        format!("{{\"EventHandle\":\"tdmq8308950000000{n:05}\",{rest}")
    };
    let events: Vec<_> = (0..FULL).map(event).collect();
    let request_id = "335bdaa3-db0e-46ce-9946-51941d9cb0f5";
    let set = events.join(",");
    let text = format!("{{\"Response\":{{\"EventSet\":[{set}],\"RequestId\":\"{request_id}\"}}}}");
    text.into_bytes()
}

criterion_group!(steps, signing, decoding, identity, formats, webhook_signature, store);
criterion_main!(steps);
