//! Stories of the whole program: what its users rely on.

mod admin;
mod bounds;
mod chaos;
mod cli;
mod clock;
#[cfg(debug_assertions)]
mod crash;
mod damage;
mod dead_letters;
mod delivery;
mod isolation;
mod odd_answers;
mod once;
mod reload;
mod routing;
mod sinks_e2e;
mod sources;
mod spool;
mod stop;
mod violence;
