use std::collections::HashMap;

use godwit_kernel::{ChatId, EventId, Seq, UserId};
use time::OffsetDateTime;

use super::{Change, ClientMessageId, ContentHash, Entry, Head, NewEvent, NewMessage, Outcome, Placed};

/// What the store knows of an entry that was committed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierResult {
    /// Where it stands.
    pub seq: Seq,
    /// When it occurred; for messages only.
    pub occurred_at: Option<OffsetDateTime>,
    /// Of its content; for messages only.
    pub content_hash: Option<ContentHash>,
}

/// What is to be written for a batch, and what its callers are told once it is committed.
#[derive(Clone, Debug)]
pub struct BatchPlan {
    /// One for each entry, in the order of the batch. Those that are [`Outcome::Appended`] are to be written.
    pub outcomes: Vec<Outcome>,
    /// The heads that move, as they will be.
    pub heads: Vec<Head>,
}

/// Numbers a batch. `heads` are the locked heads of its chats, `earlier` what is known of entries by their place in
/// the batch, `now` the log's clock, read after the heads were locked.
pub fn plan_batch(
    entries: &[Entry],
    heads: Vec<Head>,
    earlier: &HashMap<usize, EarlierResult>,
    now: OffsetDateTime,
) -> BatchPlan {
    let mut numbering = Numbering {
        heads: heads.into_iter().map(|head| (head.chat_id, MovingHead { head, moved: false })).collect(),
        messages: HashMap::new(),
        events: HashMap::new(),
        now,
    };
    let outcomes = entries
        .iter()
        .enumerate()
        .map(|(place, entry)| match &entry.change {
            Change::Message(message) => numbering.message(entry.chat_id, message, earlier.get(&place)),
            Change::Event(event) => numbering.event(entry.chat_id, event, earlier.get(&place)),
        })
        .collect();
    let heads = numbering.heads.into_values().filter(|moving| moving.moved).map(|moving| moving.head).collect();
    BatchPlan { outcomes, heads }
}

struct MovingHead {
    head: Head,
    moved: bool,
}

impl MovingHead {
    fn place(&mut self, now: OffsetDateTime) -> Placed {
        self.moved = true;
        self.head.last_seq = self.head.last_seq.next();
        self.head.changed_at = self.head.changed_at.max(now);
        self.at(self.head.last_seq, self.head.changed_at)
    }

    fn at(&self, seq: Seq, occurred_at: OffsetDateTime) -> Placed {
        Placed { seq, epoch: self.head.epoch.clone(), occurred_at }
    }
}

struct Numbering<'a> {
    heads: HashMap<ChatId, MovingHead>,
    /// What earlier entries of this batch have taken.
    messages: HashMap<(ChatId, UserId, &'a ClientMessageId), (ContentHash, Placed)>,
    events: HashMap<(ChatId, EventId), Placed>,
    now: OffsetDateTime,
}

impl<'a> Numbering<'a> {
    fn message(&mut self, chat_id: ChatId, message: &'a NewMessage, earlier: Option<&EarlierResult>) -> Outcome {
        let Some(moving) = self.heads.get_mut(&chat_id) else {
            return Outcome::NoLog;
        };
        if message.policy_version < moving.head.membership_version {
            return Outcome::StalePolicy;
        }
        if let Some(earlier) = earlier {
            if earlier.content_hash != Some(message.content_hash) {
                return Outcome::Reused;
            }
            return Outcome::Repeated(moving.at(earlier.seq, earlier.occurred_at.unwrap_or(self.now)));
        }
        let key = (chat_id, message.sender_id, &message.client_message_id);
        match self.messages.get(&key) {
            Some((hash, _)) if *hash != message.content_hash => Outcome::Reused,
            Some((_, first)) => Outcome::Repeated(first.clone()),
            None => {
                let placed = moving.place(self.now);
                self.messages.insert(key, (message.content_hash, placed.clone()));
                Outcome::Appended(placed)
            }
        }
    }

    fn event(&mut self, chat_id: ChatId, event: &NewEvent, earlier: Option<&EarlierResult>) -> Outcome {
        let Some(moving) = self.heads.get_mut(&chat_id) else {
            return Outcome::NoLog;
        };
        if let Some(earlier) = earlier {
            return Outcome::Repeated(moving.at(earlier.seq, earlier.occurred_at.unwrap_or(self.now)));
        }
        if let Some(first) = self.events.get(&(chat_id, event.event_id)) {
            return Outcome::Repeated(first.clone());
        }
        let placed = moving.place(self.now);
        moving.head.membership_version = moving.head.membership_version.max(event.membership_version);
        self.events.insert((chat_id, event.event_id), placed.clone());
        Outcome::Appended(placed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use time::Duration;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::super::{Epoch, MembershipVersion, MessageText};
    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

    fn chat(number: u128) -> ChatId {
        ChatId::from_uuid(Uuid::from_u128(number))
    }

    fn head(number: u128, last_seq: u64, version: i64) -> Head {
        Head {
            chat_id: chat(number),
            last_seq: Seq::new(last_seq).unwrap(),
            epoch: Epoch::from_store("e".to_owned()),
            membership_version: MembershipVersion::from_i64(version),
            changed_at: NOW - Duration::SECOND,
        }
    }

    fn message(chat_number: u128, client_message_id: &str, text: &str, version: i64) -> Entry {
        let text = MessageText::parse(text.to_owned()).unwrap();
        let change = Change::Message(NewMessage {
            sender_id: UserId::from_uuid(Uuid::from_u128(7)),
            client_message_id: ClientMessageId::parse(client_message_id.to_owned()).unwrap(),
            content_hash: ContentHash::of(&text),
            text,
            policy_version: MembershipVersion::from_i64(version),
        });
        Entry { chat_id: chat(chat_number), headers: Vec::new(), change }
    }

    fn event(chat_number: u128, event_number: u128, version: i64) -> Entry {
        let change = Change::Event(NewEvent {
            event_id: EventId::from_uuid(Uuid::from_u128(event_number)),
            membership_version: MembershipVersion::from_i64(version),
            partial_update: Bytes::new(),
            announced_to: Vec::new(),
        });
        Entry { chat_id: chat(chat_number), headers: Vec::new(), change }
    }

    fn plan(entries: &[Entry], heads: Vec<Head>) -> BatchPlan {
        plan_batch(entries, heads, &HashMap::new(), NOW)
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
        let BatchPlan { outcomes, heads } = plan(&entries, vec![head(1, 4, 1)]);
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
        let BatchPlan { outcomes, heads } = plan(&[message(1, "a", "hi", 1)], Vec::new());
        assert_eq!(outcomes, [Outcome::NoLog]);
        assert!(heads.is_empty());
    }

    #[test]
    fn time_never_goes_back_within_a_log() {
        let mut ahead = head(1, 1, 1);
        ahead.changed_at = NOW + Duration::HOUR;
        let BatchPlan { outcomes, heads } = plan(&[message(1, "a", "hi", 1)], vec![ahead]);
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
            let BatchPlan { outcomes, heads } = plan(&entries, heads);
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
}
