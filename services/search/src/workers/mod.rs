//! What goes on beside the questions.

mod build_index;

pub use build_index::build_index;
