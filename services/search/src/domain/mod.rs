//! What is indexed and what is asked.

mod build_order;
mod change;
mod cursor;
mod kind;
mod message;
mod name;
mod part;
mod query;
mod rank;
pub mod term;
pub mod text;

pub use build_order::BuildOrder;
pub use change::{MessageChange, MessageState, standing};
pub use cursor::{Cursor, InvalidCursor, Place};
pub use kind::Kind;
pub use message::IndexedMessage;
pub use name::{ChannelEntry, InvalidName, NAME_QUERY_CHARS, NameQuery, PersonEntry, folded};
pub use part::Part;
pub use query::{InvalidQuery, Match, Query};
pub use rank::relevance;
