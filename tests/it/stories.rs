//! Stories of the whole program: what its users rely on.

mod admin;
mod bounds;
mod callback;
mod chaos;
mod cli;
mod clock;
mod convert;
mod convert_source;
#[cfg(debug_assertions)]
mod crash;
mod credentials;
mod damage;
mod dead_letters;
mod delivery;
mod doctor;
mod formats;
mod isolation;
mod journal;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod many_relays;
mod odd_answers;
mod once;
mod peek;
mod reload;
mod routing;
mod service_manager;
mod sinks_e2e;
mod sources;
mod spool;
mod stop;
mod violence;
