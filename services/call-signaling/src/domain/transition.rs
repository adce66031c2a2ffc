use serde::{Deserialize, Serialize};

use super::{Party, State};

/// What can happen to a call after it was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A device of the callee answers.
    Accept,
    /// The callee refuses.
    Decline,
    /// The caller gives up.
    Cancel,
    /// Either hangs up.
    End,
    /// It has been in its state for as long as it may.
    Timeout,
    /// The login of a device in it was ended.
    SessionEnded,
}

/// Who may cause an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Who calls.
    Caller,
    /// Who is called.
    Callee,
    /// The service's own timers.
    System,
}

/// Who caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// A person, by one of their devices.
    Party(Party),
    /// The service's own timers.
    System,
}

/// One allowed step.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    /// In this state
    pub from: State,
    /// this event
    pub event: Event,
    /// by this side
    pub by: Role,
    /// leads here.
    pub to: State,
}

/// The whole machine: what is not here is refused.
const TRANSITIONS: &[Transition] = &[
    step(State::Ringing, Event::Accept, Role::Callee, State::Accepted),
    step(State::Ringing, Event::Decline, Role::Callee, State::Declined),
    step(State::Ringing, Event::Cancel, Role::Caller, State::Cancelled),
    step(State::Ringing, Event::Timeout, Role::System, State::Missed),
    step(State::Accepted, Event::End, Role::Caller, State::Ended),
    step(State::Accepted, Event::End, Role::Callee, State::Ended),
    step(State::Accepted, Event::Timeout, Role::System, State::Ended),
    step(State::Ringing, Event::SessionEnded, Role::System, State::Cancelled),
    step(State::Accepted, Event::SessionEnded, Role::System, State::Ended),
];

const fn step(from: State, event: Event, by: Role, to: State) -> Transition {
    Transition { from, event, by, to }
}

/// Where an event by this side leads from a state; `None` when it is not allowed.
pub fn next_state(from: State, event: Event, by: Role) -> Option<State> {
    TRANSITIONS.iter().find(|t| t.from == from && t.event == event && t.by == by).map(|t| t.to)
}

/// Whether a side may cause an event in any state.
pub(super) fn may_cause(by: Role, event: Event) -> bool {
    TRANSITIONS.iter().any(|t| t.by == by && t.event == event)
}

/// Whether an event by a side may have led to a state: a repeated request finds the call there already.
pub(super) fn leads_to(event: Event, by: Role, state: State) -> bool {
    TRANSITIONS.iter().any(|t| t.event == event && t.by == by && t.to == state)
}
