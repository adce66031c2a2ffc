use bytes::Bytes;
use proptest::prelude::*;
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::domain::{
    Edit, Epoch, Extras, LinkPreview, Membership, MembershipVersion, MessageText, NewEdit, NewEvent, NewMessage,
    NewPreview, ReceiptAudience, Reply, own_log,
};

const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

fn chat(number: u128) -> ChatId {
    ChatId::from_uuid(Uuid::from_u128(number))
}

fn head(number: u128, last_seq: u64, version: i64) -> Head {
    Head {
        hidden_until_seq: Seq::ZERO,
        chat_id: chat(number),
        last_seq: Seq::new(last_seq).unwrap(),
        epoch: Epoch::from_store("e".to_owned()),
        membership_version: MembershipVersion::from_i64(version),
        changed_at: NOW - Duration::SECOND,
        active_at: None,
    }
}

fn message(chat_number: u128, client_message_id: &str, text: &str, version: i64) -> Entry {
    let text = MessageText::parse(text.to_owned()).unwrap();
    let change = Change::Message(NewMessage {
        sender_id: UserId::from_uuid(Uuid::from_u128(7)),
        client_message_id: ClientMessageId::parse(client_message_id.to_owned()).unwrap(),
        content_hash: ContentHash::of(&text),
        text,
        extras: None,
        mentions: Vec::new(),
        policy_version: MembershipVersion::from_i64(version),
        slow_mode_secs: 0,
    });
    Entry { chat_id: chat(chat_number), headers: Vec::new(), change }
}

fn event(chat_number: u128, event_number: u128, version: i64) -> Entry {
    let change = Change::Event(NewEvent {
        event_id: EventId::from_uuid(Uuid::from_u128(event_number)),
        membership_version: MembershipVersion::from_i64(version),
        partial_update: Bytes::new(),
        announced_to: Vec::new(),
        membership: Membership::default(),
    });
    Entry { chat_id: chat(chat_number), headers: Vec::new(), change }
}

fn plan(entries: &[Entry], heads: Vec<Head>) -> BatchPlan {
    plan_batch(entries, Known::of(heads, NOW))
}

fn seq_of(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::Appended(placed) | Outcome::Repeated(placed) => Some(placed.seq.get()),
        _ => None,
    }
}

#[test]
fn a_resend_within_a_batch_gets_the_first_result() {
    let entries = [message(1, "a", "hi", 1), message(1, "a", "hi", 1), message(1, "a", "other", 1)];
    let BatchPlan { outcomes, heads, .. } = plan(&entries, vec![head(1, 4, 1)]);
    assert_eq!(outcomes.iter().map(seq_of).collect::<Vec<_>>(), [Some(5), Some(5), None]);
    assert!(matches!(outcomes[1], Outcome::Repeated(_)));
    assert_eq!(outcomes[2], Outcome::Reused);
    assert_eq!(heads[0].last_seq.get(), 5);
}

#[test]
fn a_change_of_members_makes_the_policies_behind_it_stale_within_its_batch() {
    let entries = [message(1, "a", "hi", 1), event(1, 9, 2), message(1, "b", "hi", 1), message(1, "c", "hi", 2)];
    let BatchPlan { outcomes, .. } = plan(&entries, vec![head(1, 0, 1)]);
    assert_eq!(outcomes.iter().map(seq_of).collect::<Vec<_>>(), [Some(1), Some(2), None, Some(3)]);
    assert_eq!(outcomes[2], Outcome::StalePolicy);
}

#[test]
fn an_event_never_lowers_the_membership_version() {
    let BatchPlan { heads, .. } = plan(&[event(1, 9, 3)], vec![head(1, 0, 5)]);
    assert_eq!(heads[0].membership_version, MembershipVersion::from_i64(5));
}

#[test]
fn a_log_that_is_not_there_takes_nothing() {
    let BatchPlan { outcomes, heads, .. } = plan(&[message(1, "a", "hi", 1)], Vec::new());
    assert_eq!(outcomes, [Outcome::NoLog]);
    assert!(heads.is_empty());
}

#[test]
fn time_never_goes_back_within_a_log() {
    let mut ahead = head(1, 1, 1);
    ahead.changed_at = NOW + Duration::HOUR;
    let BatchPlan { outcomes, heads, .. } = plan(&[message(1, "a", "hi", 1)], vec![ahead]);
    assert!(matches!(&outcomes[0], Outcome::Appended(placed) if placed.occurred_at == NOW + Duration::HOUR));
    assert_eq!(heads[0].changed_at, NOW + Duration::HOUR);
}

proptest! {
    /// Whatever the batch is, what it appends to a chat continues the chat's log without gap or repeat.
    #[test]
    fn a_batch_continues_every_log_without_gap(
        picks in prop::collection::vec((1..4_u128, 0..6_u8, any::<bool>(), 0..3_i64), 0..40),
        starts in prop::collection::vec(0..100_u64, 3),
    ) {
        let entries: Vec<Entry> = picks
            .iter()
            .map(|(chat, name, is_event, version)| match is_event {
                true => event(*chat, u128::from(*name), *version),
                false => message(*chat, &name.to_string(), "same", *version),
            })
            .collect();
        let heads = (1..4).zip(&starts).map(|(number, start)| head(number, *start, 1)).collect();
        let BatchPlan { outcomes, heads, .. } = plan(&entries, heads);
        for (number, start) in (1..4_u128).zip(&starts) {
            let appended: Vec<u64> = entries
                .iter()
                .zip(&outcomes)
                .filter(|(entry, outcome)| entry.chat_id == chat(number) && matches!(outcome, Outcome::Appended(_)))
                .filter_map(|(_, outcome)| seq_of(outcome))
                .collect();
            let expected: Vec<u64> = (start + 1..).take(appended.len()).collect();
            prop_assert_eq!(&appended, &expected);
            let moved = heads.iter().find(|head| head.chat_id == chat(number)).map(|head| head.last_seq.get());
            prop_assert_eq!(moved, appended.last().copied());
        }
    }
}

const ADA: UserId = UserId::from_uuid(Uuid::from_u128(7));
const BOB: UserId = UserId::from_uuid(Uuid::from_u128(8));

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn id(number: u64) -> MessageId {
    MessageId { chat_id: chat(1), seq: seq(number) }
}

fn stored(number: u64) -> Message {
    Message {
        chat_id: chat(1),
        seq: seq(number),
        sender_id: ADA,
        client_message_id: ClientMessageId::parse(number.to_string()).unwrap(),
        text: MessageText::parse("said before".to_owned()).unwrap(),
        sent_at: NOW - Duration::HOUR,
        extras: None,
        edit: None,
        reactions: Vec::new(),
        my_reaction: None,
        is_deleted: false,
    }
}

fn act(actor_id: UserId, act: Act) -> Entry {
    let policy_version = MembershipVersion::from_i64(1);
    let action = Action { actor_id, policy_version, may_be_absent: true, act };
    Entry { chat_id: chat(1), headers: Vec::new(), change: Change::Action(action) }
}

fn edit(actor_id: UserId, number: u64, text: &str) -> Entry {
    let text = MessageText::parse(text.to_owned()).unwrap();
    act(actor_id, Act::Edit(NewEdit { seq: seq(number), text, entities: Vec::new(), mentions: Vec::new() }))
}

fn delete(actor_id: UserId, number: u64) -> Entry {
    act(actor_id, Act::Delete { seq: seq(number), may_be_of_others: false })
}

fn react(actor_id: UserId, number: u64, emoji: Option<&str>, is_anonymous: bool) -> Entry {
    let emoji = emoji.map(|text| Emoji::parse(text).unwrap());
    act(actor_id, Act::React { seq: seq(number), emoji, is_anonymous })
}

fn advance(actor_id: UserId, read: u64, audience: ReceiptAudience) -> Entry {
    let cursors = Cursors { read_seq: seq(read), delivered_seq: Seq::ZERO };
    act(actor_id, Act::Advance { cursors, audience })
}

fn known(targets: Vec<Message>) -> Known {
    let mut own = head(1, 3, 1);
    own.chat_id = own_log(ADA);
    Known { targets, ..Known::of(vec![head(1, 9, 1), own], NOW) }
}

#[test]
fn several_entries_on_one_message_see_each_other() {
    let entries = [
        edit(ADA, 4, "second"),
        edit(ADA, 4, "second"),
        edit(ADA, 4, "third"),
        react(BOB, 4, Some("👍"), false),
        react(BOB, 4, Some("👍"), false),
        react(ADA, 4, Some("👍"), false),
    ];
    let plan = plan_batch(&entries, known(vec![stored(4)]));
    let counts: Vec<u32> = plan
        .updates
        .iter()
        .map(|update| match &update.body {
            Body::Edited(message) => message.edit_count(),
            Body::Reactions { counts, .. } => counts[0].count,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counts, [1, 2, 1, 2]);
    assert_eq!(plan.outcomes[4], Outcome::Unchanged);
    assert!(matches!(&plan.outcomes[1], Outcome::Edited(message) if message.text.as_str() == "second"));
    let said: Vec<(u32, &str)> = plan.changes.versions.iter().map(|row| (row.version, row.text.as_str())).collect();
    assert_eq!(said, [(0, "said before"), (1, "second")]);
    assert_eq!(plan.changes.messages[&id(4)].text.as_str(), "third");
}

#[test]
fn nothing_is_written_of_a_message_that_its_batch_deletes() {
    let mut reply = message(1, "r", "answer", 1);
    let Change::Message(new) = &mut reply.change else { panic!("no message") };
    new.extras =
        Some(std::sync::Arc::new(Extras { reply_to: Some(Reply::to(id(4), ADA, "said")), ..Extras::default() }));
    let late = reply.clone();
    let preview =
        LinkPreview { url: "u".into(), title: "t".into(), description: String::new(), site_name: String::new() };
    let preview = Change::Preview(NewPreview { seq: seq(4), edit_count: 1, preview });
    let entries = [
        edit(ADA, 4, "second"),
        Entry { chat_id: chat(1), headers: Vec::new(), change: preview },
        react(BOB, 4, Some("👍"), false),
        act(ADA, Act::Pin { seq: seq(4) }),
        reply,
        delete(ADA, 4),
        delete(ADA, 4),
        edit(ADA, 4, "after"),
        Entry {
            change: match late.change {
                Change::Message(new) => Change::Message(NewMessage {
                    client_message_id: ClientMessageId::parse("l".into()).unwrap(),
                    ..new
                }),
                other => other,
            },
            ..late
        },
    ];
    let plan = plan_batch(&entries, known(vec![stored(4)]));
    assert!(plan.outcomes[..6].iter().all(|outcome| matches!(outcome, Outcome::Appended(_) | Outcome::Edited(_))));
    assert_eq!(plan.outcomes[6], Outcome::Unchanged);
    assert_eq!(plan.outcomes[7], Outcome::Refused(Refusal::MessageNotFound));
    assert_eq!(plan.outcomes[8], Outcome::Refused(Refusal::ReplyNotFound));
    let changes = plan.changes;
    assert!(changes.versions.is_empty() && changes.content_updates.is_empty());
    assert!(changes.reactions.is_empty() && changes.pins.is_empty());
    assert!(changes.erased.contains(&id(4)) && changes.mentions[&id(4)].is_empty());
    let row = &changes.messages[&id(4)];
    assert!(row.is_deleted && row.text.as_str().is_empty() && row.extras.is_none() && row.reactions.is_empty());
}

#[test]
fn a_message_is_edited_by_its_sender_for_48_hours_and_a_hundred_times() {
    let refusal = |entry: Entry, message: Message| plan_batch(&[entry], known(vec![message])).outcomes[0].clone();
    assert_eq!(refusal(edit(BOB, 4, "x"), stored(4)), Outcome::Refused(Refusal::EditNotAllowed));
    let old = Message { sent_at: NOW - Duration::hours(48) - Duration::SECOND, ..stored(4) };
    assert_eq!(refusal(edit(ADA, 4, "x"), old), Outcome::Refused(Refusal::EditWindowOver));
    let worn = Message { edit: Some(Edit { edited_at: NOW, count: 100 }), ..stored(4) };
    assert_eq!(refusal(edit(ADA, 4, "x"), worn), Outcome::Refused(Refusal::TooManyEdits));
    assert_eq!(refusal(edit(ADA, 5, "x"), stored(4)), Outcome::Refused(Refusal::MessageNotFound));
}

#[test]
fn cursors_of_one_person_make_one_update_and_stop_at_the_head() {
    let entries = [
        advance(ADA, 3, ReceiptAudience::Chat),
        advance(ADA, 7, ReceiptAudience::Chat),
        advance(BOB, 99, ReceiptAudience::Chat),
        advance(ADA, 5, ReceiptAudience::Chat),
    ];
    let plan = plan_batch(&entries, known(Vec::new()));
    let told: Vec<u64> = plan
        .updates
        .iter()
        .map(|update| match &update.body {
            Body::Receipt(cursors) => cursors.read_seq.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [7, 10], "Bob's goes to the head, which Ada's has moved");
    assert!(
        plan.outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Advanced(cursors) if cursors.delivered_seq == cursors.read_seq))
    );
}

#[test]
fn what_is_a_persons_alone_goes_to_their_own_log() {
    let entries = [
        react(ADA, 4, Some("👍"), true),
        advance(ADA, 5, ReceiptAudience::Own),
        act(ADA, Act::Hide { seq: seq(4) }),
        act(ADA, Act::Clear),
        react(BOB, 4, Some("👍"), true),
    ];
    let plan = plan_batch(&entries, known(vec![stored(4)]));
    let logs: Vec<(bool, u64)> =
        plan.updates.iter().map(|update| (update.chat_id == own_log(ADA), update.placed.seq.get())).collect();
    assert_eq!(logs, [(false, 10), (true, 4), (true, 5), (true, 6), (true, 7)]);
    assert_eq!(plan.updates[0].actor_id, None, "the chat does not tell who reacts");
    assert!(matches!(&plan.updates[0].body, Body::Reactions { emoji: None, .. }));
    assert_eq!(plan.outcomes[4], Outcome::NoOwnLog, "Bob has none, and so nothing of his was done");
    assert_eq!(plan.changes.messages[&id(4)].reactions[0].count, 1);
}

#[test]
fn what_was_before_a_member_came_is_not_there_for_them() {
    let mut known = known(vec![stored(4), stored(6)]);
    let stands = Participant { joined_seq: seq(5), visible_from_seq: seq(5), ..Participant::default() };
    known.participants.insert((chat(1), BOB), stands);
    let plan = plan_batch(&[react(BOB, 4, Some("👍"), false), react(BOB, 6, Some("👍"), false)], known);
    assert_eq!(plan.outcomes[0], Outcome::Refused(Refusal::MessageNotFound));
    assert!(matches!(plan.outcomes[1], Outcome::Appended(_)));
}

#[test]
fn who_comes_and_goes_stands_in_the_log_from_that_update_on() {
    let with = |number: u128, membership: Membership| {
        let mut entry = event(1, number, 1);
        if let Change::Event(event) = &mut entry.change {
            event.membership = membership;
        }
        entry
    };
    let entries = [
        with(1, Membership { joined: vec![ADA, BOB], is_history_hidden: true, ..Membership::default() }),
        with(2, Membership { left: vec![BOB], ..Membership::default() }),
        with(3, Membership { is_chat_deleted: true, ..Membership::default() }),
    ];
    let changes = plan_batch(&entries, known(Vec::new())).changes;
    let ada = changes.participants[&(chat(1), ADA)].unwrap();
    assert_eq!((ada.joined_seq, ada.visible_from_seq), (seq(10), seq(10)));
    assert_eq!(changes.participants[&(chat(1), BOB)], None);
    assert_eq!(changes.purges, [chat(1)]);
}

#[test]
fn slow_mode_holds_from_one_message_to_the_next() {
    let slow = |name: &str| {
        let mut entry = message(1, name, "hi", 1);
        if let Change::Message(new) = &mut entry.change {
            new.slow_mode_secs = 30;
        }
        entry
    };
    let mut known = known(Vec::new());
    let last_sent_at = Some(NOW - Duration::seconds(31));
    known.participants.insert((chat(1), ADA), Participant { last_sent_at, ..Participant::default() });
    let plan = plan_batch(&[slow("a"), slow("b"), slow("a")], known);
    assert!(matches!(plan.outcomes[0], Outcome::Appended(_)));
    let retry_after = Duration::seconds(30);
    assert_eq!(plan.outcomes[1], Outcome::Refused(Refusal::SlowMode { retry_after }));
    assert!(matches!(plan.outcomes[2], Outcome::Repeated(_)), "a resend is not held back");
}

#[test]
fn at_most_50_messages_are_pinned() {
    let messages: Vec<Message> = (1..=51).map(stored).collect();
    let entries: Vec<Entry> = (1..=51).map(|number| act(ADA, Act::Pin { seq: seq(number) })).collect();
    let plan = plan_batch(&entries, known(messages.clone()));
    assert_eq!(plan.outcomes[50], Outcome::Refused(Refusal::TooManyPins));
    let Body::Pins { pinned, .. } = &plan.updates[49].body else { panic!("no pins") };
    assert_eq!((pinned.len(), pinned[0]), (50, seq(50)), "the newest pin first");
    let again =
        [act(ADA, Act::Pin { seq: seq(1) }), act(ADA, Act::Pin { seq: seq(1) }), act(ADA, Act::Unpin { seq: seq(1) })];
    let plan = plan_batch(&again, known(messages));
    assert_eq!(plan.outcomes[1], Outcome::Unchanged);
    assert_eq!(plan.changes.pins[&id(1)], None);
}

proptest! {
    /// Whatever members do, each log goes on without gap, and what a plan says of a message is what its updates say last.
    #[test]
    fn any_mix_of_acts_continues_the_logs(picks in prop::collection::vec((0..8_u8, 1..4_u64, any::<bool>(), any::<bool>()), 0..40)) {
        let entries: Vec<Entry> = picks.iter().enumerate().map(|(place, (kind, number, by_ada, flag))| {
            let actor = if *by_ada { ADA } else { BOB };
            match kind {
                0 => edit(actor, *number, &place.to_string()),
                1 => delete(actor, *number),
                2 | 3 => react(actor, *number, flag.then_some("👍"), *flag),
                4 => advance(actor, *number + 3, if *flag { ReceiptAudience::Chat } else { ReceiptAudience::Own }),
                5 => act(actor, if *flag { Act::Pin { seq: seq(*number) } } else { Act::Unpin { seq: seq(*number) } }),
                6 => act(actor, if *flag { Act::Hide { seq: seq(*number) } } else { Act::Clear }),
                _ => message(1, &place.to_string(), "hi", 1),
            }
        }).collect();
        let plan = plan_batch(&entries, known((1..4).map(stored).collect()));
        for (log, start) in [(chat(1), 9_u64), (own_log(ADA), 3)] {
            let given: Vec<u64> =
                plan.updates.iter().filter(|update| update.chat_id == log).map(|update| update.placed.seq.get()).collect();
            prop_assert_eq!(&given, &(start + 1..).take(given.len()).collect::<Vec<_>>());
        }
        for (id, row) in &plan.changes.messages {
            prop_assert_eq!(row.is_deleted, plan.changes.erased.contains(id));
            let counts = plan.updates.iter().rev().find_map(|update| match &update.body {
                Body::Reactions { seq, counts, .. } if *seq == id.seq => Some(counts),
                _ => None,
            });
            if !row.is_deleted {
                prop_assert_eq!(row.reactions.as_slice(), counts.map_or(&[][..], Vec::as_slice));
            }
        }
    }
}
