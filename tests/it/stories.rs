//! Stories of the whole program: what its users rely on.

mod chaos;
#[cfg(debug_assertions)]
mod crash;
mod damage;
mod delivery;
mod once;
mod violence;
