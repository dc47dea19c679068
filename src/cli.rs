//! The command line.

pub mod emulate;
