//! Stories of the whole program: what its users rely on.

mod delivery;
mod isolation;
mod once;
