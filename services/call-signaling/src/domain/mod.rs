//! The call state machine: pure, deterministic, replicated.

mod call;
mod history;
mod machine;
mod transition;

pub use call::{Call, EndCause, Media, Party, State};
pub use history::{Direction, HistoryQuery};
pub use machine::{CALLS_MAX, Command, Connection, Machine, NewCall, Outcome, Refusal};
pub use transition::{Actor, Event, Role, Transition, next_state};
