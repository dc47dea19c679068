//! Mistakes that are planted, to see that they are found.

/// A mistake in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// An event is confirmed when it takes off.
    ConfirmBeforeDeliver,
    /// A delivery is settled, and so confirmed, without a note in the ledger.
    ConfirmBeforeLedgerAndForget,
    /// The ledger is written when the event takes off.
    LedgerBeforeDeliver,
    /// The first sink that has the event confirms it.
    ConfirmAfterAnySink,
    /// A flight that a sink has left is confirmed when the others have it.
    LeftCountsAsSettled,
    /// A permanent refusal counts as settled, and is buried afterwards.
    BuryAfterConfirm,
    /// A dead letter that could not be written counts as written.
    FailedBuryCountsAsSettled,
    /// The new handle of an event in the air is dropped.
    ForgetHandleOnJoin,
    /// The ledger is read first, and only then it is seen whether the event is in the air.
    ReadLedgerBeforeJoin,
    /// Spooled events are confirmed when they are written, and synced afterwards.
    SpoolConfirmBeforeSync,
    /// Events that found no space in the spool are confirmed with the others.
    FailedAppendIsConfirmed,
    /// An event leaves the spool when it is sent out.
    RemoveFromSpoolBeforeDelivery,
    /// What is delivered goes into the spool again when it comes again.
    SpoolIgnoresLedger,
    /// A sink's feed goes through the spool in one direction, and so never sees a sink that is added
    /// to an event behind it.
    FeedNeverLooksBack,
    /// A sink that comes back is fed before its former feed has given back what it had.
    NewFeedDoesNotWait,
    /// A source that does not spool does not see what is in the spool.
    LeasedIgnoresSpool,
}
