//! What is indexed and what is asked.

mod cursor;
mod message;
mod query;

pub use cursor::{Cursor, InvalidCursor};
pub use message::IndexedMessage;
pub use query::{InvalidQuery, Query};
