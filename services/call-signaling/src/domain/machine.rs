use std::collections::BTreeMap;

use godwit_kernel::{CallId, ChatId, UserId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::transition::{leads_to, may_cause};
use super::{Actor, Call, EndCause, Event, Media, Party, Role, State, next_state};

/// The most calls that the machine holds, running and not yet recorded: its memory is bounded.
pub const CALLS_MAX: usize = 100_000;

/// A command of the replicated log. Whatever decides an outcome travels in it, the time too, so that every replica
/// comes to the same result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Rings the callee.
    Create(NewCall),
    /// Something happens to a call.
    Act {
        /// Which.
        call_id: CallId,
        /// Who did it.
        actor: Actor,
        /// What.
        event: Event,
        /// When.
        #[serde(with = "time::serde::timestamp::milliseconds")]
        at: OffsetDateTime,
    },
    /// A device of an accepted call lost its connection, or has one again.
    Connect {
        /// Which call.
        call_id: CallId,
        /// Whose device.
        side: Role,
        /// How it is now.
        connection: Connection,
        /// When.
        #[serde(with = "time::serde::timestamp::milliseconds")]
        at: OffsetDateTime,
    },
    /// Forgets calls that are over and in the history.
    Forget {
        /// Which.
        call_ids: Vec<CallId>,
    },
}

/// Whether a device can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connection {
    /// No more.
    Lost,
    /// Again.
    Back,
}

/// A call to ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewCall {
    /// Chosen by the caller's client; the same id again returns the same call.
    pub id: CallId,
    /// Voice or video.
    pub media: Media,
    /// Who calls.
    pub caller: Party,
    /// Who is called.
    pub callee_id: UserId,
    /// The direct chat of the two.
    #[serde(default)]
    pub chat_id: Option<ChatId>,
    /// When.
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub at: OffsetDateTime,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The call is now so, because of this command.
    Changed(Call),
    /// The same request was taken before; the call is so.
    Unchanged(Call),
    /// Nothing was changed, for this reason.
    Refused(Refusal),
    /// There is no call to tell of.
    Done,
}

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such call, or it is none of the actor's business.
    NotFound,
    /// The other side of the call may do this.
    WrongParty,
    /// Not in the state that the call is in.
    WrongState(State),
    /// The call may stay in its state for longer.
    NotDue,
    /// Another device of the callee was faster.
    AnsweredElsewhere,
    /// The caller is in another call.
    CallerInCall,
    /// The id names another call.
    IdReused,
    /// The machine is full.
    Full,
}

/// All calls that are running, and those that are over but not yet recorded.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    calls: BTreeMap<CallId, Call>,
    /// The running call of each person; derived from `calls`.
    engaged: BTreeMap<UserId, CallId>,
    /// The call that a second id names, because two people called each other at once; derived from `calls`.
    crossed: BTreeMap<CallId, CallId>,
}

impl Machine {
    /// The machine with these calls, as a snapshot holds them.
    pub fn from_calls(calls: Vec<Call>) -> Self {
        let mut machine = Self::default();
        for call in calls {
            machine.engage(&call);
            if let Some(id) = call.crossed_id {
                machine.crossed.insert(id, call.id);
            }
            machine.calls.insert(call.id, call);
        }
        machine
    }

    /// Takes one command. Deterministic.
    pub fn apply(&mut self, command: Command) -> Outcome {
        match command {
            Command::Create(new_call) => self.create(new_call),
            Command::Act { call_id, actor, event, at } => self.act(call_id, actor, event, at),
            Command::Connect { call_id, side, connection, at } => self.connect(call_id, side, connection, at),
            Command::Forget { call_ids } => self.forget(&call_ids),
        }
    }

    /// The call that this id names.
    pub fn call(&self, id: CallId) -> Option<&Call> {
        self.calls.get(&self.own_id(id))
    }

    fn own_id(&self, id: CallId) -> CallId {
        self.crossed.get(&id).copied().unwrap_or(id)
    }

    /// The call that a user rings, is rung by, or is in.
    pub fn call_of(&self, user_id: UserId) -> Option<&Call> {
        self.call(*self.engaged.get(&user_id)?)
    }

    /// All calls, in id order.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    fn create(&mut self, new_call: NewCall) -> Outcome {
        let NewCall { id, media, caller, callee_id, at, .. } = new_call;
        if let Some(call) = self.crossed.get(&id).and_then(|own_id| self.calls.get(own_id)) {
            let is_same = call.callee_id == caller.user_id && call.caller.user_id == callee_id;
            return if is_same { Outcome::Unchanged(call.clone()) } else { Outcome::Refused(Refusal::IdReused) };
        }
        if let Some(call) = self.calls.get(&id) {
            let is_same = call.caller.is_device_of(&caller) && call.callee_id == callee_id && call.media == media;
            return if is_same { Outcome::Unchanged(call.clone()) } else { Outcome::Refused(Refusal::IdReused) };
        }
        if let Some(own_id) = self.rings(callee_id, caller.user_id) {
            return self.cross(own_id, id, caller, at);
        }
        if self.engaged.contains_key(&caller.user_id) {
            return Outcome::Refused(Refusal::CallerInCall);
        }
        if self.calls.len() >= CALLS_MAX {
            return Outcome::Refused(Refusal::Full);
        }
        let call = ring(new_call, self.engaged.contains_key(&callee_id));
        self.engage(&call);
        self.calls.insert(id, call.clone());
        Outcome::Changed(call)
    }

    /// The call with which one person rings another.
    fn rings(&self, caller: UserId, callee: UserId) -> Option<CallId> {
        let call = self.call_of(callee)?;
        let rings = call.state == State::Ringing && call.caller.user_id == caller && call.callee_id == callee;
        rings.then_some(call.id)
    }

    /// Who calls the person that rings them means the same call: they answer it.
    fn cross(&mut self, own_id: CallId, id: CallId, callee: Party, at: OffsetDateTime) -> Outcome {
        if let Some(call) = self.calls.get_mut(&own_id) {
            call.crossed_id = Some(id);
        }
        self.crossed.insert(id, own_id);
        self.act(own_id, Actor::Party(callee), Event::Accept, at)
    }

    fn act(&mut self, call_id: CallId, actor: Actor, event: Event, at: OffsetDateTime) -> Outcome {
        let own_id = self.own_id(call_id);
        let Some(call) = self.calls.get_mut(&own_id) else { return Outcome::Refused(Refusal::NotFound) };
        let by = match actor {
            Actor::System => Role::System,
            Actor::Party(party) => match call.role_of(party.user_id) {
                Some(role) => role,
                None => return Outcome::Refused(Refusal::NotFound),
            },
        };
        if !may_cause(by, event) {
            return Outcome::Refused(Refusal::WrongParty);
        }
        let Some(state) = next_state(call.state, event, by) else { return without_step(call, actor, event, by) };
        if event == Event::Timeout && call.deadline().is_some_and(|deadline| at < deadline) {
            return Outcome::Refused(Refusal::NotDue);
        }
        let cause = end_cause(call, event, at);
        call.state = state;
        if let (State::Accepted, Actor::Party(party)) = (state, actor) {
            call.callee_device_id = Some(party.device_id);
            call.callee_session_id = party.session_id;
            call.accepted_at = Some(at);
        }
        if state.is_over() {
            call.ended_at = Some(at);
            call.end_cause = cause;
            let call = call.clone();
            self.release(&call);
            return Outcome::Changed(call);
        }
        Outcome::Changed(call.clone())
    }

    fn connect(&mut self, call_id: CallId, side: Role, connection: Connection, at: OffsetDateTime) -> Outcome {
        let Some(call) = self.calls.get_mut(&call_id) else { return Outcome::Refused(Refusal::NotFound) };
        if call.state != State::Accepted {
            return Outcome::Refused(Refusal::WrongState(call.state));
        }
        let lost_at = match side {
            Role::Caller => &mut call.caller_lost_at,
            Role::Callee => &mut call.callee_lost_at,
            Role::System => return Outcome::Refused(Refusal::WrongParty),
        };
        match (connection, *lost_at) {
            (Connection::Lost, None) => *lost_at = Some(at),
            (Connection::Back, Some(_)) => *lost_at = None,
            (Connection::Lost, Some(_)) | (Connection::Back, None) => return Outcome::Unchanged(call.clone()),
        }
        Outcome::Changed(call.clone())
    }

    fn forget(&mut self, call_ids: &[CallId]) -> Outcome {
        for id in call_ids {
            let Some(call) = self.calls.get(id).filter(|call| call.state.is_over()) else { continue };
            if let Some(crossed_id) = call.crossed_id {
                self.crossed.remove(&crossed_id);
            }
            self.calls.remove(id);
        }
        Outcome::Done
    }

    fn engage(&mut self, call: &Call) {
        if call.state.is_over() {
            return;
        }
        for user_id in call.user_ids() {
            self.engaged.insert(user_id, call.id);
        }
    }

    fn release(&mut self, call: &Call) {
        for user_id in call.user_ids() {
            if self.engaged.get(&user_id) == Some(&call.id) {
                self.engaged.remove(&user_id);
            }
        }
    }
}

fn ring(new_call: NewCall, is_busy: bool) -> Call {
    let NewCall { id, media, caller, callee_id, chat_id, at } = new_call;
    Call {
        id,
        media,
        state: if is_busy { State::Busy } else { State::Ringing },
        caller,
        callee_id,
        callee_device_id: None,
        callee_session_id: None,
        crossed_id: None,
        chat_id,
        created_at: at,
        accepted_at: None,
        ended_at: is_busy.then_some(at),
        end_cause: None,
        caller_lost_at: None,
        callee_lost_at: None,
    }
}

/// Why an event ends a call; a refused one needs no cause.
fn end_cause(call: &Call, event: Event, at: OffsetDateTime) -> Option<EndCause> {
    match event {
        Event::Accept | Event::Decline => None,
        Event::Cancel | Event::End => Some(EndCause::HungUp),
        Event::Timeout => Some(call.timeout_cause(at)),
        Event::SessionEnded => Some(EndCause::SessionEnded),
    }
}

/// The table has no step: a repeated request finds what it wanted, anything else is refused.
fn without_step(call: &Call, actor: Actor, event: Event, by: Role) -> Outcome {
    if event == Event::Accept && call.state == State::Accepted {
        let is_repeat = matches!(actor, Actor::Party(party) if call.callee_device_id == Some(party.device_id));
        return if is_repeat { Outcome::Unchanged(call.clone()) } else { Outcome::Refused(Refusal::AnsweredElsewhere) };
    }
    if leads_to(event, by, call.state) {
        return Outcome::Unchanged(call.clone());
    }
    Outcome::Refused(Refusal::WrongState(call.state))
}

#[cfg(test)]
mod tests;
