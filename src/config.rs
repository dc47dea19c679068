//! The configuration file, read and checked.

mod interpolate;
mod report;
mod section;

pub use report::Mistake;
pub use section::Section;
