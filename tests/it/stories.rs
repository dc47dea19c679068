//! Stories of the whole program: what its users rely on.

mod clock;
mod delivery;
mod isolation;
mod once;
mod reload;
mod routing;
mod sources;
mod stop;
