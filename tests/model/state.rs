//! Everything that there is at one moment: at VOD, in the relay's memory, on its disk, at the sinks.

/// How many events VOD has at the most.
pub(crate) const EVENTS: usize = 2;

/// How many sinks there are at the most.
pub(crate) const SINKS: usize = 2;

/// A set of sinks, one bit each.
pub(crate) type Sinks = u8;

/// The set of one sink.
pub(crate) fn only(sink: usize) -> Sinks {
    1 << sink
}

/// Whether the sink is in the set.
pub(crate) fn has(sinks: Sinks, sink: usize) -> bool {
    sinks & only(sink) != 0
}

/// A handle as VOD judges it. All that were handed out before the present lease are alike: a
/// confirm with one of them is refused. So leases need no number, and no bound on how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Handle {
    Current,
    Stale,
}

/// Handles of one event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Handles {
    pub(crate) current: bool,
    pub(crate) stale: bool,
}

impl Handles {
    pub(crate) fn of(handle: Handle) -> Self {
        let mut handles = Self::default();
        handles.add(handle);
        handles
    }

    pub(crate) fn add(&mut self, handle: Handle) {
        *self.slot(handle) = true;
    }

    /// Takes the handle out: whether it was there.
    pub(crate) fn take(&mut self, handle: Handle) -> bool {
        std::mem::take(self.slot(handle))
    }

    pub(crate) fn add_all(&mut self, other: Self) {
        self.current |= other.current;
        self.stale |= other.stale;
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Handle> {
        let current = self.current.then_some(Handle::Current);
        current.into_iter().chain(self.stale.then_some(Handle::Stale))
    }

    pub(crate) fn is_empty(self) -> bool {
        !self.current && !self.stale
    }

    fn age(&mut self) {
        self.stale |= std::mem::take(&mut self.current);
    }

    fn slot(&mut self, handle: Handle) -> &mut bool {
        match handle {
            Handle::Current => &mut self.current,
            Handle::Stale => &mut self.stale,
        }
    }
}

/// Where an event stands at VOD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Vod {
    /// There is no such event in this plan.
    #[default]
    Absent,
    /// The next pull may bring it.
    Waiting,
    /// A handle is out, and its lease runs.
    Leased,
    /// Gone from the queue, for good.
    Confirmed,
}

/// One event on its way to one sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    /// There is none.
    #[default]
    None,
    /// In the lane: waiting, or in a call of the sink.
    Waiting,
    /// The sink has acknowledged it; the ledger does not know yet.
    Acknowledged,
    /// The sink has refused it for good; it is not buried yet.
    Refused,
}

/// Where a job's event came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Leased,
    Spooled,
}

/// An answer's event between the look at the ledger and the lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Reading {
    pub(crate) handle: Handle,
    /// Its sinks by the routes of that moment.
    pub(crate) targets: Sinks,
    /// Those that need not get it any more, as far as was read.
    pub(crate) known: Sinks,
}

/// A leased event in the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) handles: Handles,
    /// The sinks that it was routed to when it took off, those that had it included.
    pub(crate) targets: Sinks,
    /// Those that have not said yet what became of it.
    pub(crate) pending: Sinks,
    /// Whether one of them has said that it does not have it.
    pub(crate) left: bool,
}

/// What is in memory about one event. A crash takes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    /// Handles whose answers are here, or on their way here.
    pub(crate) arrived: Handles,
    pub(crate) reading: Option<Reading>,
    pub(crate) flight: Option<Flight>,
    pub(crate) leased_jobs: [Job; SINKS],
    pub(crate) spooled_jobs: [Job; SINKS],
    /// To be confirmed, together with others.
    pub(crate) confirms: Handles,
    /// To be confirmed alone, since a call with others was refused.
    pub(crate) alone: Handles,
    /// Written to the spool and not synced; only a bug leaves something here.
    pub(crate) unsynced: Sinks,
    /// The sinks whose feeds do not see that the spool has the event for them; only with a bug.
    pub(crate) unseen: Sinks,
}

impl Memory {
    pub(crate) fn job(&mut self, origin: Origin, sink: usize) -> &mut Job {
        match origin {
            Origin::Leased => &mut self.leased_jobs[sink],
            Origin::Spooled => &mut self.spooled_jobs[sink],
        }
    }

    /// Whether the handle of the present lease is somewhere in the relay, or on its way there.
    pub(crate) fn holds_current(&self) -> bool {
        self.arrived.current
            || self.reading.is_some_and(|reading| reading.handle == Handle::Current)
            || self.flight.is_some_and(|flight| flight.handles.current)
            || self.confirms.current
            || self.alone.current
    }
}

/// What is on disk about one event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    /// The sinks where it is settled.
    pub(crate) ledger: Sinks,
    /// Those of them that refused it for good.
    pub(crate) dead: Sinks,
    /// Those that the spool keeps it for.
    pub(crate) spool: Sinks,
}

/// What nobody in the protocol can see; the properties look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Truth {
    /// The sinks that have the event.
    pub(crate) has: Sinks,
    /// For each sink, how many more deliveries faults excuse: below zero is one too many.
    pub(crate) excused: [i8; SINKS],
    /// The sinks that are owed the event if the present handle confirms it.
    pub(crate) owed: Sinks,
    /// The sinks that were owed it when it was confirmed.
    pub(crate) promised: Sinks,
    /// Whether the present handle came, and nothing has happened that lets go of it.
    pub(crate) must_hold: bool,
    /// Where it was buried, and for which sinks it was spooled.
    pub(crate) was_buried: Sinks,
    pub(crate) was_spooled: Sinks,
}

/// One event, wherever something is known of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct EventState {
    pub(crate) vod: Vod,
    pub(crate) memory: Memory,
    pub(crate) disk: Disk,
    pub(crate) truth: Truth,
}

impl EventState {
    /// The lease is over, or the event is confirmed: no handle that is out is good any more.
    pub(crate) fn age(&mut self) {
        let memory = &mut self.memory;
        memory.arrived.age();
        if let Some(reading) = &mut memory.reading {
            reading.handle = Handle::Stale;
        }
        if let Some(flight) = &mut memory.flight {
            flight.handles.age();
        }
        memory.confirms.age();
        memory.alone.age();
        self.truth.must_hold = false;
        self.truth.owed = 0;
    }

    /// The relay lets go of handles for a reason: the event is left to VOD.
    pub(crate) fn let_go(&mut self, handles: Handles) {
        if handles.current {
            self.truth.must_hold = false;
            self.truth.owed = 0;
        }
    }

    /// The sink takes the event.
    pub(crate) fn reach(&mut self, sink: usize) {
        if has(self.truth.has, sink) {
            self.truth.excused[sink] -= 1;
        }
        self.truth.has |= only(sink);
    }

    /// A fault hides from the relay that the sink has the event.
    pub(crate) fn excuse(&mut self, sink: usize) {
        self.truth.excused[sink] += 1;
    }
}

/// How much may still go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) faults: u8,
    pub(crate) crashes: u8,
    pub(crate) reloads: u8,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) events: [EventState; EVENTS],
    /// Which of the plan's configurations is in force.
    pub(crate) setup: usize,
    pub(crate) budget: Budget,
}
