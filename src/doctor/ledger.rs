//! Looks at the ledger that several relays share.

use super::finding::{Check, Finding, Findings};
use crate::exit;
use crate::ledger::{self, Settings};

/// Looks whether it can be reached, read and written.
pub(super) async fn examine(settings: Settings) -> Vec<Finding> {
    let mut findings = Findings::about("relay.ledger".to_owned());
    match ledger::probe(&settings).await {
        Ok(found) => findings.ok(Check::SharedLedger, found),
        Err(failure) if failure.is_unreachable => {
            let mend = "start it, or mend relay.ledger or the firewall; until then each relay has \
                        only its own ledger";
            findings.error(Check::SharedLedger, exit::UNREACHABLE, failure.text, mend);
        }
        Err(failure) => {
            let mend = "mend relay.ledger, or the rights of its user there";
            findings.error(Check::SharedLedger, exit::CONFIG, failure.text, mend);
        }
    }
    findings.all()
}
