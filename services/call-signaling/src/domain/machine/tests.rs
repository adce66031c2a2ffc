mod rules;

use godwit_kernel::{DeviceId, SessionId};
use proptest::prelude::*;
use time::Duration;
use uuid::Uuid;

use super::*;

fn user(number: u8) -> UserId {
    UserId::from_uuid(Uuid::from_u128(number.into()))
}

fn party(user_number: u8, device_number: u8) -> Party {
    Party {
        user_id: user(user_number),
        device_id: DeviceId::from_uuid(Uuid::from_u128(u128::from(user_number) << 8 | u128::from(device_number))),
        session_id: Some(SessionId::from_uuid(Uuid::from_u128(
            0x5e55_0000 | u128::from(user_number) << 8 | u128::from(device_number),
        ))),
    }
}

fn call_id(number: u8) -> CallId {
    CallId::from_uuid(Uuid::from_u128(0xca11_0000 + u128::from(number)))
}

fn at(secs: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(secs)
}

fn create(id: u8, caller: u8, callee: u8, secs: i64) -> Command {
    let caller = party(caller, 1);
    let (media, callee_id) = (Media::Voice, user(callee));
    Command::Create(NewCall { id: call_id(id), media, caller, callee_id, chat_id: None, at: at(secs) })
}

fn act(id: u8, actor: Party, event: Event, secs: i64) -> Command {
    Command::Act { call_id: call_id(id), actor: Actor::Party(actor), event, at: at(secs) }
}

#[test]
fn one_of_two_answering_devices_wins() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    let won = machine.apply(act(1, party(2, 1), Event::Accept, 1));
    assert!(matches!(&won, Outcome::Changed(call) if call.callee_device_id == Some(party(2, 1).device_id)));
    let lost = machine.apply(act(1, party(2, 2), Event::Accept, 1));
    assert_eq!(lost, Outcome::Refused(Refusal::AnsweredElsewhere));
}

#[test]
fn a_repeated_request_changes_nothing() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    assert!(matches!(machine.apply(create(1, 1, 2, 9)), Outcome::Unchanged(call) if call.created_at == at(0)));
    machine.apply(act(1, party(2, 1), Event::Accept, 1));
    assert!(matches!(machine.apply(act(1, party(2, 1), Event::Accept, 5)), Outcome::Unchanged(_)));
    machine.apply(act(1, party(1, 1), Event::End, 6));
    assert!(
        matches!(machine.apply(act(1, party(1, 1), Event::End, 7)), Outcome::Unchanged(call) if call.ended_at == Some(at(6)))
    );
}

#[test]
fn an_id_does_not_serve_for_two_calls() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    assert_eq!(machine.apply(create(1, 1, 3, 0)), Outcome::Refused(Refusal::IdReused));
}

#[test]
fn who_is_in_a_call_is_busy_and_calls_nobody() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    assert!(matches!(machine.apply(create(2, 3, 2, 1)), Outcome::Changed(call) if call.state == State::Busy));
    assert_eq!(machine.apply(create(3, 2, 3, 2)), Outcome::Refused(Refusal::CallerInCall));
    machine.apply(act(1, party(1, 1), Event::Cancel, 3));
    assert!(matches!(machine.apply(create(4, 2, 3, 4)), Outcome::Changed(call) if call.state == State::Ringing));
}

fn time_out(id: u8, secs: i64) -> Command {
    Command::Act { call_id: call_id(id), actor: Actor::System, event: Event::Timeout, at: at(secs) }
}

#[test]
fn a_call_rings_for_45_seconds_and_never_runs_for_ever() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    assert_eq!(machine.apply(time_out(1, 44)), Outcome::Refused(Refusal::NotDue));
    assert!(matches!(machine.apply(time_out(1, 45)), Outcome::Changed(call) if call.state == State::Missed));
    machine.apply(create(2, 1, 2, 100));
    machine.apply(act(2, party(2, 1), Event::Accept, 110));
    assert_eq!(machine.apply(time_out(2, 110 + 12 * 3_600 - 1)), Outcome::Refused(Refusal::NotDue));
    assert!(
        matches!(machine.apply(time_out(2, 110 + 12 * 3_600)), Outcome::Changed(call) if call.state == State::Ended)
    );
    assert!(matches!(machine.apply(create(3, 1, 2, 50_000)), Outcome::Changed(call) if call.state == State::Ringing));
}

#[test]
fn a_stranger_learns_nothing_of_a_call() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    for event in [Event::Accept, Event::Decline, Event::Cancel, Event::End] {
        assert_eq!(machine.apply(act(1, party(9, 1), event, 1)), Outcome::Refused(Refusal::NotFound));
    }
}

fn end_session(id: u8, secs: i64) -> Command {
    Command::Act { call_id: call_id(id), actor: Actor::System, event: Event::SessionEnded, at: at(secs) }
}

fn connect(id: u8, side: Role, connection: Connection, secs: i64) -> Command {
    Command::Connect { call_id: call_id(id), side, connection, at: at(secs) }
}

#[test]
fn two_who_call_each_other_are_in_one_call_under_both_ids() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    let Outcome::Changed(call) = machine.apply(create(2, 2, 1, 3)) else { panic!("it was not answered") };
    assert_eq!((call.id, call.state, call.accepted_at), (call_id(1), State::Accepted, Some(at(3))));
    assert_eq!((call.callee_device_id, call.callee_session_id), (Some(party(2, 1).device_id), party(2, 1).session_id));
    assert_eq!(machine.apply(create(2, 2, 1, 4)), Outcome::Unchanged(call.clone()));
    assert_eq!(machine.call(call_id(2)), Some(&call));
    assert!(
        matches!(machine.apply(act(2, party(2, 1), Event::End, 9)), Outcome::Changed(call) if call.id == call_id(1))
    );
    machine.apply(Command::Forget { call_ids: vec![call_id(1)] });
    assert_eq!((machine.call(call_id(1)), machine.call(call_id(2))), (None, None));
}

#[test]
fn who_rings_somebody_is_busy_for_a_third() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    assert!(matches!(machine.apply(create(2, 3, 1, 1)), Outcome::Changed(call) if call.state == State::Busy));
    assert_eq!(machine.apply(create(3, 1, 3, 2)), Outcome::Refused(Refusal::CallerInCall));
}

#[test]
fn a_call_ends_30_seconds_after_the_first_device_was_lost_for_good() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    assert_eq!(
        machine.apply(connect(1, Role::Caller, Connection::Lost, 1)),
        Outcome::Refused(Refusal::WrongState(State::Ringing))
    );
    machine.apply(act(1, party(2, 1), Event::Accept, 2));
    machine.apply(connect(1, Role::Caller, Connection::Lost, 10));
    assert!(
        matches!(machine.apply(connect(1, Role::Caller, Connection::Lost, 20)), Outcome::Unchanged(call) if call.caller_lost_at == Some(at(10)))
    );
    machine.apply(connect(1, Role::Callee, Connection::Lost, 25));
    assert_eq!(machine.apply(time_out(1, 39)), Outcome::Refused(Refusal::NotDue));
    machine.apply(connect(1, Role::Caller, Connection::Back, 39));
    assert_eq!(machine.apply(time_out(1, 54)), Outcome::Refused(Refusal::NotDue));
    assert!(
        matches!(machine.apply(time_out(1, 55)), Outcome::Changed(call) if call.end_cause == Some(EndCause::ConnectionLost))
    );
}

#[test]
fn the_end_of_a_session_cancels_what_rings_and_ends_what_runs() {
    let mut machine = Machine::default();
    machine.apply(create(1, 1, 2, 0));
    assert!(matches!(machine.apply(end_session(1, 1)), Outcome::Changed(call) if call.state == State::Cancelled));
    machine.apply(create(2, 1, 2, 2));
    machine.apply(act(2, party(2, 2), Event::Accept, 3));
    assert!(
        matches!(machine.apply(end_session(2, 4)), Outcome::Changed(call) if call.state == State::Ended && call.end_cause == Some(EndCause::SessionEnded))
    );
    assert!(matches!(machine.apply(end_session(2, 5)), Outcome::Unchanged(_)));
}

/// A command of any kind, at no particular time: [`at_time`] sets it. There are so few people and ids that calls cross, ids
/// are used twice, and people call who are in a call.
fn any_command() -> impl Strategy<Value = Command> {
    let by_party = prop_oneof![Just(Event::Accept), Just(Event::Decline), Just(Event::Cancel), Just(Event::End)];
    let by_system = prop_oneof![3 => Just(Event::Timeout), 1 => Just(Event::SessionEnded)];
    // What the service itself never does, it must not be able to do either.
    let any_event = prop_oneof![by_party.clone(), by_system.clone()];
    let side = prop_oneof![5 => Just(Role::Caller), 5 => Just(Role::Callee), 1 => Just(Role::System)];
    let connection = prop_oneof![2 => Just(Connection::Lost), 1 => Just(Connection::Back)];
    prop_oneof![
        4 => (0..8_u8, 0..4_u8, 0..4_u8).prop_filter_map("nobody calls themself", |(id, caller, callee)| {
            (caller != callee).then(|| create(id, caller, callee, 0))
        }),
        6 => (0..8_u8, 0..5_u8, 0..3_u8, by_party)
            .prop_map(|(id, user_number, device, event)| act(id, party(user_number, device), event, 0)),
        2 => (0..8_u8, by_system)
            .prop_map(|(id, event)| Command::Act { call_id: call_id(id), actor: Actor::System, event, at: at(0) }),
        1 => (0..8_u8, 0..5_u8, any::<bool>(), any_event).prop_map(|(id, user_number, is_system, event)| {
            let actor = if is_system { Actor::System } else { Actor::Party(party(user_number, 1)) };
            Command::Act { call_id: call_id(id), actor, event, at: at(0) }
        }),
        3 => (0..8_u8, side, connection).prop_map(|(id, side, connection)| connect(id, side, connection, 0)),
        1 => proptest::collection::vec(0..8_u8, 0..3)
            .prop_map(|ids| Command::Forget { call_ids: ids.into_iter().map(call_id).collect() }),
    ]
}

/// Commands one after the other, some at once, some so late that timers are due; now and then half a day later.
fn any_commands() -> impl Strategy<Value = Vec<Command>> {
    let pause = prop_oneof![4 => Just(0_i64), 6 => 1..10_i64, 2 => 20..60_i64, 1 => 40_000..50_000_i64];
    proptest::collection::vec((pause, any_command()), 0..120).prop_map(|steps| {
        let mut now = 0;
        let commands = steps.into_iter().map(|(pause, command)| {
            now += pause;
            at_time(command, at(now))
        });
        commands.collect()
    })
}

fn at_time(mut command: Command, now: OffsetDateTime) -> Command {
    match &mut command {
        Command::Create(new_call) => new_call.at = now,
        Command::Act { at, .. } | Command::Connect { at, .. } => *at = now,
        Command::Forget { .. } => {}
    }
    command
}

proptest! {
    /// Whatever comes in whatever order: nobody is in two running calls, what is over stays as it is, an accepted call has
    /// one device, and the machine built again from its calls behaves the same.
    #[test]
    fn no_order_of_commands_breaks_a_call(commands in any_commands()) {
        let mut machine = Machine::default();
        for command in commands {
            let before: Vec<Call> = machine.calls().cloned().collect();
            let mut rebuilt = Machine::from_calls(before.clone());
            let outcome = machine.apply(command.clone());
            prop_assert_eq!(&outcome, &rebuilt.apply(command));
            for call in &before {
                let Some(after) = machine.call(call.id) else { continue };
                prop_assert!(!call.state.is_over() || after == call);
                // Who has answered stays who has answered.
                prop_assert!(call.callee_device_id.is_none() || after.callee_device_id == call.callee_device_id);
                prop_assert!(call.accepted_at.is_none() || after.accepted_at == call.accepted_at);
            }
            let running: Vec<UserId> =
                machine.calls().filter(|call| !call.state.is_over()).flat_map(Call::user_ids).collect();
            let mut distinct = running.clone();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(running.len(), distinct.len());
            for call in machine.calls() {
                prop_assert_eq!(call.ended_at.is_some(), call.state.is_over());
                prop_assert_eq!(call.deadline().is_none(), call.state.is_over());
                prop_assert_eq!(call.accepted_at.is_some(), call.callee_device_id.is_some());
                prop_assert!(call.accepted_at.is_some() || (call.caller_lost_at, call.callee_lost_at) == (None, None));
                prop_assert!(call.crossed_id.is_none_or(|id| machine.call(id) == Some(call)));
            }
        }
    }

    /// The machine, with its table and its indexes, does what the rules say that know neither.
    #[test]
    fn no_order_of_commands_departs_from_the_rules(commands in any_commands()) {
        let mut machine = Machine::default();
        let mut rules = rules::Rules::default();
        for command in commands {
            prop_assert_eq!(machine.apply(command.clone()), rules.apply(command));
            prop_assert_eq!(machine.calls().cloned().collect::<Vec<_>>(), rules.calls());
        }
    }

    /// Time alone brings every call to its end: none is stuck, whatever happened to it.
    #[test]
    fn no_order_of_commands_leaves_a_call_that_never_ends(commands in any_commands()) {
        let mut machine = Machine::default();
        for command in commands {
            machine.apply(command);
        }
        let running: Vec<Call> = machine.calls().filter(|call| !call.state.is_over()).cloned().collect();
        for call in running {
            let due_at = call.deadline();
            let begun_at = call.accepted_at.unwrap_or(call.created_at);
            prop_assert!(due_at.is_some_and(|due_at| due_at <= begun_at + Duration::hours(12)));
            let timeout = |at| Command::Act { call_id: call.id, actor: Actor::System, event: Event::Timeout, at };
            let Some(due_at) = due_at else { continue };
            prop_assert_eq!(machine.apply(timeout(due_at - Duration::seconds(1))), Outcome::Refused(Refusal::NotDue));
            let outcome = machine.apply(timeout(due_at));
            prop_assert!(matches!(outcome, Outcome::Changed(call) if call.state.is_over()));
        }
        for user_number in 0..4 {
            prop_assert_eq!(machine.call_of(user(user_number)), None);
        }
    }
}
