//! What is written about the metrics, and what asks for them, is what the program has.

use std::collections::BTreeSet;

use serde_json::Value;
use vod_relay::metrics::{Kind, Metrics};

const DOCS: &str = include_str!("../../docs/metrics.md");
const RULES: &str = include_str!("../../contrib/prometheus-rules.yml");
const RULES_TEST: &str = include_str!("../../contrib/prometheus-rules.test.yml");
const DASHBOARD: &str = include_str!("../../contrib/grafana-dashboard.json");

/// The names under which Prometheus keeps the metrics.
fn names() -> BTreeSet<String> {
    let metrics = Metrics::default();
    let mut names = BTreeSet::new();
    for one in metrics.descriptions() {
        match one.kind {
            Kind::Counter | Kind::Gauge => {
                names.insert(one.name.to_owned());
            }
            Kind::Histogram => {
                names.extend(["bucket", "sum", "count"].map(|part| format!("{}_{part}", one.name)));
            }
        }
    }
    names
}

/// The names of metrics in a text.
fn named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| word.starts_with("vod_relay_") || word.starts_with("process_");
    words.filter(is_metric).map(str::to_owned).collect()
}

#[test]
fn the_list_of_metrics_is_the_programs() {
    let metrics = Metrics::default();
    let expected = metrics.descriptions().iter().map(|one| {
        let labels: Vec<_> = one.labels.iter().map(|label| format!("`{label}`")).collect();
        let (kind, unit) = (one.kind.word(), one.unit);
        format!("| `{}` | {kind} | {unit} | {} | {} |", one.name, labels.join(", "), one.help)
    });
    let expected = expected.collect::<Vec<_>>().join("\n");
    let table = DOCS.lines().skip_while(|line| !line.starts_with("| name | type |")).skip(2);
    let table = table.take_while(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n");
    assert_eq!(table, expected, "docs/metrics.md must have:\n{expected}\n");
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    for text in [RULES, RULES_TEST, DASHBOARD] {
        let named = named_in(text);
        assert!(named.len() > 10, "{named:?}");
        let unknown: Vec<_> = named.difference(&names()).cloned().collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

#[test]
fn every_alert_has_its_test_and_says_what_to_do() {
    let alerts: Vec<_> = RULES.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10, "{}", alerts.len());
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        let fires = RULES_TEST.contains(&format!("alertname=\"{name}\""))
            || RULES_TEST.contains(&format!("alertname: {name}\n"));
        assert!(fires, "no test lets {name} fire");
        for part in ["severity: ", "summary: ", "description: >-"] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        assert!(DOCS.contains(&format!("`{name}`")), "docs/metrics.md does not name {name}");
    }
}

#[test]
fn the_dashboard_works_with_any_prometheus() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: Vec<_> = variables.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(variables, ["datasource", "job", "instance"]);
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{target}");
            let expr = target["expr"].as_str().unwrap();
            assert!(expr.contains("job=~\"$job\", instance=~\"$instance\""), "{expr}");
        }
    }
    // What is counted or measured and shown nowhere is of no use to those who look.
    let shown = named_in(DASHBOARD);
    let mut missing = Vec::new();
    for one in Metrics::default().descriptions() {
        if !shown.iter().any(|name| name.starts_with(one.name)) {
            missing.push(one.name);
        }
    }
    assert!(missing.is_empty(), "the dashboard lacks {missing:?}");
}
