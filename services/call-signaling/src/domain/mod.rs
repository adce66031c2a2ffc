//! The call state machine: pure, deterministic, replicated.

mod call;
mod machine;
mod transition;

pub use call::{Call, Media, Party, State};
pub use machine::{CALLS_MAX, Command, Machine, NewCall, Outcome, Refusal};
pub use transition::{Actor, Event, Role, Transition, next_state};
