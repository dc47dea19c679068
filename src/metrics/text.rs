//! Prometheus' text format.

use prometheus_client::encoding::text;

use super::list::{Kind, List};

/// All values now, in the text format 0.0.4, which every scraper reads.
///
/// The library writes the format that came after it, `OpenMetrics`. What differs here is the name of
/// a counter above its values, which lacks `_total` there.
pub(super) fn exposition(list: &List) -> String {
    let mut open_metrics = String::new();
    // Writing to a string cannot fail.
    let _ = text::encode_registry(&mut open_metrics, list.registry());
    let mut exposition = String::with_capacity(open_metrics.len() + 1024);
    for line in open_metrics.lines() {
        match head(line).filter(|(_, name, _)| is_counter(list, name)) {
            Some((keyword, name, rest)) => {
                exposition.extend(["# ", keyword, " ", name, "_total ", rest]);
            }
            // A value without labels may do without their braces too.
            None => match line.split_once("{} ") {
                Some((name, value)) => exposition.extend([name, " ", value]),
                None => exposition.push_str(line),
            },
        }
        exposition.push('\n');
    }
    exposition
}

/// The parts of a line such as `# TYPE name gauge`.
fn head(line: &str) -> Option<(&str, &str, &str)> {
    let mut parts = line.strip_prefix("# ")?.splitn(3, ' ');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

fn is_counter(list: &List, name: &str) -> bool {
    let counters = list.descriptions().iter().filter(|it| it.kind == Kind::Counter);
    counters.into_iter().any(|it| it.name.strip_suffix("_total") == Some(name))
}
