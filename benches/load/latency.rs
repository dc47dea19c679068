//! How long an event is on its way, measured where both ends are one process with one clock.
//!
//! The time starts before the event is pushed into the emulator, and ends when the webhook's body
//! has been read.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use memchr::memmem;
use reqwest::{Client, Url};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use vod_relay::time;

use super::Outcome;

/// The shortest time between two pushes; above that rate several events go at once.
const TICK: Duration = Duration::from_millis(10);
/// What stands before the time of the push, in nanoseconds since the start.
const BEFORE_TIME: &str = "\"PushedAt\":";
/// The most arrivals that wait to be counted.
const ARRIVED_MAX: usize = 1024;
/// How long to wait for an event before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
struct Receiver {
    start: Instant,
    delays: mpsc::Sender<u64>,
}

/// Serves the webhook and pushes as the lines of standard input say, until they end.
pub(crate) async fn run(emulator: &Url) -> Outcome {
    let (delays, mut arrived) = mpsc::channel(ARRIVED_MAX);
    let receiver = Receiver { start: time::now(), delays };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    let app = Router::new().fallback(receive).with_state(receiver.clone());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let target = emulator.join("/_emulator/events")?;
    let client = Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (rate, count) = line.split_once(' ').ok_or("a line is RATE COUNT")?;
        let (rate, count) = (rate.parse()?, count.parse()?);
        let pushing = push(&client, &target, receiver.start, rate, count);
        let collecting = collect(&mut arrived, count);
        let ((), delays) = tokio::try_join!(pushing, collecting)?;
        println!("{}", summary(delays));
    }
    server.abort();
    Ok(())
}

async fn receive(State(receiver): State<Receiver>, body: Bytes) {
    let now = nanos(receiver.start);
    if let Some(pushed) = pushed_at(&body) {
        // Nobody listens only at the end.
        let _ended = receiver.delays.send(now.saturating_sub(pushed)).await;
    }
}

async fn push(client: &Client, target: &Url, start: Instant, rate: f64, count: u64) -> Outcome {
    let mut tick = tokio::time::interval(TICK.max(Duration::from_secs_f64(1.0 / rate)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begin = time::now();
    let mut pushed = 0;
    while pushed < count {
        tick.tick().await;
        // The first comes at once; the float is far from the limits of the integer.
        let due = ((begin.elapsed().as_secs_f64() * rate) as u64 + 1).min(count);
        let events: String = (pushed..due).map(|number| event(number, start)).collect();
        pushed = due;
        let answer = client.post(target.clone()).body(events).send().await?;
        answer.error_for_status()?.bytes().await?;
    }
    Ok(())
}

fn event(number: u64, start: Instant) -> String {
    let sample = vod_relay::emulator::sample(number);
    let rest = sample.strip_prefix('{').unwrap_or_default();
    format!("{{{BEFORE_TIME}{},{rest}\n", nanos(start))
}

async fn collect(
    arrived: &mut mpsc::Receiver<u64>,
    count: u64,
) -> Result<Vec<u64>, Box<dyn std::error::Error + Send + Sync>> {
    let mut delays = Vec::new();
    for _ in 0..count {
        let delay = tokio::time::timeout(PATIENCE, arrived.recv()).await;
        delays.extend(delay.map_err(|_| "an event has not arrived")?);
    }
    Ok(delays)
}

fn summary(mut delays: Vec<u64>) -> String {
    delays.sort_unstable();
    let at = |quantile: f64| {
        let last = delays.len().saturating_sub(1);
        let index = (last as f64 * quantile).round() as usize;
        delays.get(index).copied().unwrap_or_default() as f64 / 1e6
    };
    format!(
        "{{\"count\":{},\"p50_ms\":{:.3},\"p99_ms\":{:.3},\"max_ms\":{:.3}}}",
        delays.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    )
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn pushed_at(body: &[u8]) -> Option<u64> {
    let start = memmem::find(body, BEFORE_TIME.as_bytes())? + BEFORE_TIME.len();
    let digits = body.get(start..)?.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
