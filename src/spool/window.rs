//! How much a lane has from the spool.

/// The most events that a lane has from the spool at a time.
pub(super) const EVENTS_MAX: usize = 512;

/// Once the texts of those have so many bytes no more are sent, so that events of any size take up
/// a bounded part of memory. Some hundred events of VOD have less.
const BYTES_MAX: usize = 16 << 20;

/// The events that a lane has, and what their texts take up.
#[derive(Debug, Default)]
pub(super) struct Window {
    events: usize,
    bytes: usize,
}

impl Window {
    /// How many more events the lane may have.
    pub(super) fn room(&self) -> usize {
        if self.bytes < BYTES_MAX { EVENTS_MAX.saturating_sub(self.events) } else { 0 }
    }

    /// Whether the lane has none.
    pub(super) fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// The lane gets an event whose text has so many bytes.
    pub(super) fn add(&mut self, bytes: usize) {
        self.events += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The lane has settled it.
    pub(super) fn remove(&mut self, bytes: usize) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_events_are_bounded_in_number_and_large_ones_in_bytes() {
        for (bytes, most) in [(1, EVENTS_MAX), (1 << 20, 16), (32 << 20, 1)] {
            let mut window = Window::default();
            while window.room() > 0 {
                window.add(bytes);
            }
            assert_eq!(window.events, most, "{bytes}");
            window.remove(bytes);
            assert!(window.room() > 0, "{bytes}");
            (1..most).for_each(|_| window.remove(bytes));
            assert!(window.is_empty() && window.bytes == 0, "{bytes}");
        }
    }
}
