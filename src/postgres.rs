//! The one way to connect to PostgreSQL, for whatever needs a database: a sink, a shared ledger.
//!
//! * [`Settings::new`] makes settings out of a URL (`postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...`),
//!   a user, a password and the files of TLS. They compare, and show no secret.
//! * [`Pool::open`] takes them and reads the files, without a connection: the server may be down.
//! * [`Pool::get`] lends a [`Client`](tokio_postgres::Client) that lives, connecting anew where none does, after a
//!   growing pause where that failed before. [`Lent::keep`] gives it back after a success. One that
//!   is dropped instead is closed at once, in whatever state its caller has left it, and the server
//!   rolls back what it had begun: so a future that uses one can be dropped at any time.
//! * [`cause()`] puts an error into words, without secrets and without what stood in a row.
//!
//! Nothing of tables or statements is here.

mod cause;
mod encryption;
mod pool;
mod settings;

pub use self::cause::cause;
pub use self::pool::{Failure, Lent, Pool};
pub use self::settings::{Flaw, Settings};
