//! What is indexed and what is asked.

mod change;
mod cursor;
mod message;
mod query;

pub use change::{MessageChange, MessageState, standing};
pub use cursor::{Cursor, InvalidCursor};
pub use message::IndexedMessage;
pub use query::{InvalidQuery, Query};
