//! Which messages may be hits, newest first. A word is either common in the chats of who asks, then it is found soon by
//! walking back from their newest messages, or it is not, then the index has few of them. So the walk goes first, and
//! is short.

use std::cmp::Reverse;
use std::collections::HashMap;

use godwit_kernel::ChatId;
use godwit_pg::{self as pg, Connection};
use time::OffsetDateTime;

use crate::domain::Place;
use crate::store::{self, Criteria, Step, Stretch};

/// Who is in more chats is not walked for: to look at each of them would take as long as the index.
const WALKED_CHATS_MAX: usize = 1_000;
/// Messages that a round walks past, about.
const ROUND_MESSAGES: usize = 2_000;
/// The fewest of a chat.
const DEPTH_MIN: usize = 6;
/// The most of a chat at first.
const DEPTH_MAX: usize = 400;
/// How much deeper each round goes where little was found.
const DEEPER: usize = 4;
const ROUNDS_MAX: usize = 3;
/// Further back a word may be so many times as frequent as among the newest messages; what is still too rare then is left
/// to the index.
const OFTENER_BACK: usize = 2;

/// The newest messages of chats that meet the criteria, newest first: at most `wanted`, and fewer only when there are
/// no more.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn newest(
    connection: &mut Connection,
    chats: &[ChatId],
    criteria: &Criteria,
    wanted: usize,
) -> Result<Vec<Place>, pg::Error> {
    if chats.len() <= WALKED_CHATS_MAX
        && let Some(found) = by_walking(connection, chats, criteria, wanted).await?
    {
        metrics::counter!("godwit_search_lookups_total", "by" => "walk").increment(1);
        return Ok(found);
    }
    metrics::counter!("godwit_search_lookups_total", "by" => "index").increment(1);
    store::look_up(connection, chats, criteria, i64::try_from(wanted).unwrap_or(i64::MAX)).await
}

async fn by_walking(
    connection: &mut Connection,
    chats: &[ChatId],
    criteria: &Criteria,
    wanted: usize,
) -> Result<Option<Vec<Place>>, pg::Error> {
    let up_to = [criteria.before.map(|place| place.sent_at), criteria.to].into_iter().flatten().min();
    let mut walk = Walk::new(store::starts(connection, chats, up_to).await?, criteria.from);
    let mut depth = (ROUND_MESSAGES / chats.len().max(1)).clamp(DEPTH_MIN, DEPTH_MAX);
    let mut count = chats.len();
    for rounds_left in (0..ROUNDS_MAX).rev() {
        let steps = walk.steps(count);
        let stretches = store::walk(connection, &steps, i64::try_from(depth).unwrap_or(i64::MAX), criteria).await?;
        walk.take(&steps, stretches, depth);
        if let Some(found) = walk.newest(wanted) {
            return Ok(Some(found));
        }
        // Where as many again will do in the rounds that are left, all chats go on alike: they are as busy as each other.
        if walk.known_count() * ROUNDS_MAX < wanted {
            depth = (depth * DEEPER).min(ROUND_MESSAGES);
            count = ROUND_MESSAGES / depth;
        }
        if !walk.is_common(wanted) && !walk.may_end_within(rounds_left, count) {
            break;
        }
    }
    Ok(None)
}

/// A walk back through chats, all at once. What is newer than the place up to which every chat was walked is known for
/// good.
#[derive(Debug)]
struct Walk {
    /// Chats that go on, with the instant of the last message that was passed.
    open: HashMap<ChatId, (Step, Option<OffsetDateTime>)>,
    /// Nothing before it is looked for.
    from: Option<OffsetDateTime>,
    found: Vec<Place>,
}

impl Walk {
    fn new(starts: Vec<Step>, from: Option<OffsetDateTime>) -> Self {
        let open = starts.into_iter().map(|step| (step.chat_id, (step, None))).collect();
        Self { open, from, found: Vec::new() }
    }

    /// What to walk next: at first every chat, then those that were left at the newest messages, at most `count` and at
    /// least one.
    fn steps(&self, count: usize) -> Vec<Step> {
        let mut steps: Vec<(Step, Option<OffsetDateTime>)> = self.open.values().copied().collect();
        if steps.iter().any(|(_, at)| at.is_none()) {
            return steps.into_iter().map(|(step, _)| step).collect();
        }
        steps.sort_unstable_by_key(|(_, at)| Reverse(*at));
        steps.into_iter().take(count.max(1)).map(|(step, _)| step).collect()
    }

    /// Goes on by what was found; a chat that had fewer messages than `depth`, or has come to those that are too old,
    /// is done.
    fn take(&mut self, steps: &[Step], stretches: Vec<Stretch>, depth: usize) {
        for step in steps {
            self.open.remove(&step.chat_id);
        }
        for stretch in stretches {
            let has_more = usize::try_from(stretch.count).is_ok_and(|count| count >= depth);
            let is_too_old = self.from.is_some_and(|from| stretch.oldest_at < from);
            if has_more && !is_too_old {
                let step = Step { chat_id: stretch.chat_id, before_seq: stretch.oldest_seq };
                self.open.insert(stretch.chat_id, (step, Some(stretch.oldest_at)));
            }
            self.found.extend(stretch.found);
        }
    }

    /// The newest `wanted`, once it is known which they are.
    fn newest(&mut self, wanted: usize) -> Option<Vec<Place>> {
        let known = self.known_count();
        if known < wanted && !self.open.is_empty() {
            return None;
        }
        Some(self.found.iter().take(wanted.min(known)).copied().collect())
    }

    /// Whether as many may be found in all rounds as are wanted, by what was found so far.
    const fn is_common(&self, wanted: usize) -> bool {
        self.found.len() * ROUNDS_MAX * OFTENER_BACK >= wanted
    }

    /// Whether so many rounds of `count` chats may come to where all of them end: a chat has no more messages than its
    /// seq says, and how many there are since an instant nobody knows.
    fn may_end_within(&self, rounds: usize, count: usize) -> bool {
        if self.from.is_some() {
            return true;
        }
        let left: i64 = self.open.values().fold(0, |left, (step, _)| left.saturating_add(step.before_seq));
        self.open.len() <= rounds * count && usize::try_from(left).is_ok_and(|left| left <= rounds * ROUND_MESSAGES)
    }

    /// How many of the newest are known: those that are newer than where any chat goes on.
    fn known_count(&mut self) -> usize {
        self.found.sort_unstable_by_key(|place| Reverse(place.key()));
        let known_from = self.open.values().map(|(_, at)| at.unwrap_or(OffsetDateTime::UNIX_EPOCH)).max();
        known_from.map_or(self.found.len(), |from| self.found.partition_point(|place| place.sent_at > from))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use godwit_kernel::{MessageId, Seq};
    use proptest::prelude::*;
    use time::Duration;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_the_newest_messages_hardly_have_is_left_to_the_index_unless_the_chats_soon_end() {
        let step = |chat: u128, before_seq| Step { chat_id: ChatId::from_uuid(Uuid::from_u128(chat)), before_seq };
        let walk = |before_seq, found| {
            let mut walk = Walk::new((0..10).map(|chat| step(chat, before_seq)).collect(), None);
            walk.found = (0..found).map(|seq| place(1, seq, seq)).collect();
            walk
        };
        assert!(!walk(1_000_000, 8).is_common(51));
        assert!(walk(1_000_000, 9).is_common(51));
        assert!(walk(1_000_000, 0).is_common(0));
        assert!(walk(400, 0).may_end_within(2, 5));
        assert!(!walk(401, 0).may_end_within(2, 5), "they have more than 4,000 messages");
        assert!(!walk(10, 0).may_end_within(2, 4), "they are more than eight");
        assert!(!walk(i64::MAX, 0).may_end_within(2, 10));
        let since = Walk { from: Some(OffsetDateTime::UNIX_EPOCH), ..walk(i64::MAX, 0) };
        assert!(since.may_end_within(2, 10));
    }

    type Chats = BTreeMap<u128, Vec<(i64, bool)>>;

    fn place(chat: u128, seq: i64, secs: i64) -> Place {
        let message_id = MessageId { chat_id: ChatId::from_uuid(Uuid::from_u128(chat)), seq: Seq::from_i64(seq) };
        Place { sent_at: OffsetDateTime::UNIX_EPOCH + Duration::seconds(secs), message_id }
    }

    /// What the database would answer.
    fn stretch(chats: &Chats, step: &Step, depth: usize) -> Option<Stretch> {
        let chat = step.chat_id.as_uuid().as_u128();
        let numbered = (1..).zip(chats.get(&chat)?);
        let mut passed: Vec<(i64, &(i64, bool))> = numbered.filter(|(seq, _)| *seq < step.before_seq).collect();
        passed.reverse();
        passed.truncate(depth);
        let (oldest_seq, (oldest, _)) = passed.last()?;
        let found = passed.iter().filter(|(_, (_, is_met))| *is_met).map(|(seq, (secs, _))| place(chat, *seq, *secs));
        Some(Stretch {
            chat_id: step.chat_id,
            count: i64::try_from(passed.len()).unwrap(),
            oldest_seq: *oldest_seq,
            oldest_at: place(chat, 1, *oldest).sent_at,
            found: found.collect(),
        })
    }

    proptest! {
        /// Whatever the chats are, a walk that ends has found the newest.
        #[test]
        fn a_walk_finds_the_newest(
            lists in prop::collection::vec(prop::collection::vec((0_i64..40, any::<bool>()), 0..30), 1..6),
            wanted in 1_usize..8,
            depth in 1_usize..5,
        ) {
            let mut chats = Chats::new();
            for (chat, mut list) in (1..).zip(lists) {
                list.sort_unstable_by_key(|(secs, _)| *secs);
                chats.insert(chat, list);
            }
            let mut expected: Vec<Place> = Vec::new();
            for (chat, list) in &chats {
                let met = (1..).zip(list).filter(|(_, (_, is_met))| *is_met);
                expected.extend(met.map(|(seq, (secs, _))| place(*chat, seq, *secs)));
            }
            expected.sort_unstable_by_key(|place| Reverse(place.key()));
            expected.truncate(wanted);

            let starts = chats.keys().map(|chat| Step {
                chat_id: ChatId::from_uuid(Uuid::from_u128(*chat)),
                before_seq: i64::MAX,
            });
            let mut walk = Walk::new(starts.collect(), None);
            for _ in 0..200 {
                let steps = walk.steps(2);
                let stretches = steps.iter().filter_map(|step| stretch(&chats, step, depth)).collect();
                walk.take(&steps, stretches, depth);
                if let Some(found) = walk.newest(wanted) {
                    prop_assert_eq!(found, expected);
                    return Ok(());
                }
            }
            prop_assert!(false, "the walk does not end");
        }
    }
}
