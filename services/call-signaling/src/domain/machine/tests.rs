use godwit_kernel::DeviceId;
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
        session_id: None,
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

fn any_command() -> impl Strategy<Value = Command> {
    let event = prop_oneof![
        Just(Event::Accept),
        Just(Event::Decline),
        Just(Event::Cancel),
        Just(Event::End),
        Just(Event::Timeout)
    ];
    prop_oneof![
        3 => (0..8_u8, 0..4_u8, 0..4_u8).prop_filter_map("nobody calls themself", |(id, caller, callee)| {
            (caller != callee).then(|| create(id, caller, callee, 0))
        }),
        6 => (0..8_u8, 0..5_u8, 0..2_u8, event).prop_map(|(id, user_number, device, event)| {
            let actor = if event == Event::Timeout { Actor::System } else { Actor::Party(party(user_number, device)) };
            let secs = if event == Event::Timeout { 45 } else { 1 };
            Command::Act { call_id: call_id(id), actor, event, at: at(secs) }
        }),
        1 => proptest::collection::vec(0..8_u8, 0..3)
            .prop_map(|ids| Command::Forget { call_ids: ids.into_iter().map(call_id).collect() }),
    ]
}

proptest! {
    /// Whatever comes in whatever order: nobody is in two running calls, what is over stays as it is, an accepted call has
    /// one device, and the machine built again from its calls behaves the same.
    #[test]
    fn no_order_of_commands_breaks_a_call(commands in proptest::collection::vec(any_command(), 0..120)) {
        let mut machine = Machine::default();
        for command in commands {
            let before: Vec<Call> = machine.calls().cloned().collect();
            let mut rebuilt = Machine::from_calls(before.clone());
            let outcome = machine.apply(command.clone());
            prop_assert_eq!(&outcome, &rebuilt.apply(command));
            for call in before.iter().filter(|call| call.state.is_over()) {
                prop_assert!(machine.call(call.id).is_none_or(|after| after == call));
            }
            let running: Vec<UserId> =
                machine.calls().filter(|call| !call.state.is_over()).flat_map(Call::user_ids).collect();
            let mut distinct = running.clone();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(running.len(), distinct.len());
            for call in machine.calls() {
                prop_assert_eq!(call.ended_at.is_some(), call.state.is_over());
                prop_assert_eq!(call.accepted_at.is_some(), call.callee_device_id.is_some());
            }
        }
    }
}
