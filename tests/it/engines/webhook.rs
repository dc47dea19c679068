//! An HTTP server that keeps what is posted to it, and drops every connection while it is down.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::conformance::{Engine, Held};
use crate::world::Switch;

/// The user and password that it asks for, and how a client says them.
const AUTHORIZATION: &str = "Bearer hunter2";

pub struct Receiver {
    listener: Arc<TcpListener>,
    desk: Desk,
    serving: JoinHandle<()>,
}

/// Where requests come in.
#[derive(Clone, Default)]
struct Desk {
    held: Arc<Mutex<Vec<Held>>>,
    frozen: Switch,
}

impl Receiver {
    fn serve(listener: Arc<TcpListener>, desk: Desk) -> JoinHandle<()> {
        let app = Router::new().fallback(receive).with_state(desk);
        tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = hyper_util::service::TowerToHyperService::new(app.clone());
                let stream = hyper_util::rt::TokioIo::new(stream);
                connections.spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    // A client that goes away is none of the story's business.
                    let _ = http.serve_connection(stream, service).await;
                });
            }
        })
    }
}

impl Engine for Receiver {
    const TYPE: &'static str = "webhook";
    const KNOWS_IDS: bool = false;

    async fn start() -> Option<Self> {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let desk = Desk::default();
        let serving = Self::serve(Arc::clone(&listener), desk.clone());
        Some(Self { listener, desk, serving })
    }

    fn sink(&self) -> String {
        let url = format!("http://{}/", self.listener.local_addr().unwrap());
        format!(
            "[sinks.app]\ntype = \"webhook\"\nurl = \"{url}\"\n\
             headers = {{ Authorization = \"{AUTHORIZATION}\" }}\n"
        )
    }

    fn as_stranger(&self) -> Option<String> {
        // A receiver that refuses a password refuses the event for good: the stories of webhooks
        // have it.
        None
    }

    fn unwelcome(&self) -> Option<(String, String)> {
        Some((r#"{"EventType":"Unwelcome","UnwelcomeEvent":{}}"#.to_owned(), String::new()))
    }

    async fn freeze(&mut self) {
        self.desk.frozen.turn_on();
    }

    async fn kill(&mut self) {
        self.serving.abort();
        let listener = Arc::clone(&self.listener);
        // The port stays ours: who knocks is shown the door.
        self.serving = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    }

    async fn revive(&mut self) {
        self.serving.abort();
        self.desk.frozen = Switch::default();
        self.serving = Self::serve(Arc::clone(&self.listener), self.desk.clone());
    }

    async fn held(&mut self) -> Vec<Held> {
        self.desk.held.lock().unwrap().clone()
    }
}

async fn receive(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if desk.frozen.is_on() {
        return std::future::pending().await;
    }
    if headers.get("authorization").is_none_or(|value| value != AUTHORIZATION) {
        return StatusCode::UNAUTHORIZED;
    }
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    if body.contains("Unwelcome") {
        return StatusCode::GONE;
    }
    desk.held.lock().unwrap().push(Held { id: Some(id), body });
    StatusCode::NO_CONTENT
}
