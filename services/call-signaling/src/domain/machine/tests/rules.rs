//! What calls do, said once more as plainly as it can be: no table of steps, no index, no order of checks but that of a
//! reader. The machine is compared with it.

use super::*;

/// All calls, the oldest first.
#[derive(Default)]
pub struct Rules {
    calls: Vec<Call>,
}

impl Rules {
    /// In id order.
    pub fn calls(&self) -> Vec<Call> {
        let mut calls = self.calls.clone();
        calls.sort_by_key(|call| call.id);
        calls
    }

    pub fn apply(&mut self, command: Command) -> Outcome {
        match command {
            Command::Create(new_call) => self.create(new_call),
            Command::Act { call_id, actor, event, at } => {
                let named = |call: &&mut Call| call.id == call_id || call.crossed_id == Some(call_id);
                match self.calls.iter_mut().find(named) {
                    Some(call) => act(call, actor, event, at),
                    None => Outcome::Refused(Refusal::NotFound),
                }
            }
            Command::Connect { call_id, side, connection, at } => {
                match self.calls.iter_mut().find(|call| call.id == call_id) {
                    Some(call) => connect(call, side, connection, at),
                    None => Outcome::Refused(Refusal::NotFound),
                }
            }
            Command::Forget { call_ids } => {
                self.calls.retain(|call| !call.state.is_over() || !call_ids.contains(&call.id));
                Outcome::Done
            }
        }
    }

    fn create(&mut self, new_call: NewCall) -> Outcome {
        let NewCall { id, media, caller, callee_id, at, .. } = new_call;
        for call in &self.calls {
            let is_same = if call.crossed_id == Some(id) {
                (call.callee_id, call.caller.user_id) == (caller.user_id, callee_id)
            } else if call.id == id {
                call.caller.is_device_of(&caller) && (call.callee_id, call.media) == (callee_id, media)
            } else {
                continue;
            };
            return if is_same { Outcome::Unchanged(call.clone()) } else { Outcome::Refused(Refusal::IdReused) };
        }
        let rings_back = |call: &&mut Call| {
            call.state == State::Ringing && call.caller.user_id == callee_id && call.callee_id == caller.user_id
        };
        if let Some(call) = self.calls.iter_mut().find(rings_back) {
            call.crossed_id = Some(id);
            return answer(call, caller, at);
        }
        if self.is_engaged(caller.user_id) {
            return Outcome::Refused(Refusal::CallerInCall);
        }
        let mut call = ring(new_call, false);
        if self.is_engaged(callee_id) {
            (call.state, call.ended_at) = (State::Busy, Some(at));
        }
        self.calls.push(call.clone());
        Outcome::Changed(call)
    }

    fn is_engaged(&self, user_id: UserId) -> bool {
        self.calls.iter().any(|call| !call.state.is_over() && call.user_ids().contains(&user_id))
    }
}

fn answer(call: &mut Call, by: Party, at: OffsetDateTime) -> Outcome {
    call.state = State::Accepted;
    call.accepted_at = Some(at);
    call.callee_device_id = Some(by.device_id);
    call.callee_session_id = by.session_id;
    Outcome::Changed(call.clone())
}

fn over(call: &mut Call, state: State, cause: Option<EndCause>, at: OffsetDateTime) -> Outcome {
    (call.state, call.end_cause, call.ended_at) = (state, cause, Some(at));
    Outcome::Changed(call.clone())
}

fn act(call: &mut Call, actor: Actor, event: Event, at: OffsetDateTime) -> Outcome {
    match actor {
        Actor::System => by_system(call, event, at),
        Actor::Party(party) if party.user_id == call.caller.user_id => by_caller(call, event, at),
        Actor::Party(party) if party.user_id == call.callee_id => by_callee(call, party, event, at),
        Actor::Party(_) => Outcome::Refused(Refusal::NotFound),
    }
}

fn by_caller(call: &mut Call, event: Event, at: OffsetDateTime) -> Outcome {
    match (event, call.state) {
        (Event::Cancel, State::Ringing) => over(call, State::Cancelled, Some(EndCause::HungUp), at),
        (Event::End, State::Accepted) => over(call, State::Ended, Some(EndCause::HungUp), at),
        (Event::Cancel, State::Cancelled) | (Event::End, State::Ended) => Outcome::Unchanged(call.clone()),
        (Event::Cancel | Event::End, state) => Outcome::Refused(Refusal::WrongState(state)),
        _ => Outcome::Refused(Refusal::WrongParty),
    }
}

fn by_callee(call: &mut Call, party: Party, event: Event, at: OffsetDateTime) -> Outcome {
    match (event, call.state) {
        (Event::Accept, State::Ringing) => answer(call, party, at),
        (Event::Accept, State::Accepted) if call.callee_device_id == Some(party.device_id) => {
            Outcome::Unchanged(call.clone())
        }
        (Event::Accept, State::Accepted) => Outcome::Refused(Refusal::AnsweredElsewhere),
        (Event::Decline, State::Ringing) => over(call, State::Declined, None, at),
        (Event::End, State::Accepted) => over(call, State::Ended, Some(EndCause::HungUp), at),
        (Event::Decline, State::Declined) | (Event::End, State::Ended) => Outcome::Unchanged(call.clone()),
        (Event::Accept | Event::Decline | Event::End, state) => Outcome::Refused(Refusal::WrongState(state)),
        _ => Outcome::Refused(Refusal::WrongParty),
    }
}

fn by_system(call: &mut Call, event: Event, at: OffsetDateTime) -> Outcome {
    match (event, call.state) {
        (Event::Timeout, State::Ringing) if at < call.created_at + Duration::seconds(45) => {
            Outcome::Refused(Refusal::NotDue)
        }
        (Event::Timeout, State::Ringing) => over(call, State::Missed, Some(EndCause::TimedOut), at),
        (Event::Timeout, State::Accepted) => {
            let is_too_long = call.accepted_at.is_some_and(|accepted_at| at >= accepted_at + Duration::hours(12));
            let is_given_up = [call.caller_lost_at, call.callee_lost_at]
                .into_iter()
                .flatten()
                .any(|lost_at| at >= lost_at + Duration::seconds(30));
            match (is_too_long, is_given_up) {
                (true, _) => over(call, State::Ended, Some(EndCause::TimedOut), at),
                (false, true) => over(call, State::Ended, Some(EndCause::ConnectionLost), at),
                (false, false) => Outcome::Refused(Refusal::NotDue),
            }
        }
        (Event::SessionEnded, State::Ringing) => over(call, State::Cancelled, Some(EndCause::SessionEnded), at),
        (Event::SessionEnded, State::Accepted) => over(call, State::Ended, Some(EndCause::SessionEnded), at),
        (Event::Timeout, State::Missed | State::Ended) | (Event::SessionEnded, State::Cancelled | State::Ended) => {
            Outcome::Unchanged(call.clone())
        }
        (Event::Timeout | Event::SessionEnded, state) => Outcome::Refused(Refusal::WrongState(state)),
        _ => Outcome::Refused(Refusal::WrongParty),
    }
}

fn connect(call: &mut Call, side: Role, connection: Connection, at: OffsetDateTime) -> Outcome {
    if call.state != State::Accepted {
        return Outcome::Refused(Refusal::WrongState(call.state));
    }
    let before = call.clone();
    let lost_at = match side {
        Role::Caller => &mut call.caller_lost_at,
        Role::Callee => &mut call.callee_lost_at,
        Role::System => return Outcome::Refused(Refusal::WrongParty),
    };
    *lost_at = match connection {
        Connection::Lost => lost_at.or(Some(at)),
        Connection::Back => None,
    };
    if *call == before { Outcome::Unchanged(before) } else { Outcome::Changed(call.clone()) }
}
