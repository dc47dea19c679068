//! What the process itself uses.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::metrics::{Gauges, Of};

/// Measures the process. What the system does not tell is left out.
pub(super) fn measure(gauges: &Gauges) {
    if let Some(bytes) = resident_bytes() {
        gauges.process_memory.set(Of::All, bytes);
    }
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    gauges.process_cpu.set(Of::All, cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The one that reads the directory is open only for that.
        gauges.process_fds.set(Of::All, open.count().saturating_sub(1) as f64);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        gauges.process_fds_max.set(Of::All, most as f64);
    }
}

/// The second number of `/proc/self/statm` is in pages.
fn resident_bytes() -> Option<f64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages as f64 * rustix::param::page_size() as f64)
}
