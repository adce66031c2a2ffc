use std::cmp::Ordering;

use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MessageId, UserId};
use time::OffsetDateTime;

use super::{App, candidates};
use crate::Error;
use crate::domain::term::{kind_term, sender_term};
use crate::domain::{Cursor, Kind, Match, Place, Query, relevance};
use crate::store::Criteria;
use crate::wire::kinds_of;

/// The most messages that one search looks at. A page may end there, and the next goes on behind.
const LOOKED_AT_MAX: usize = 2_000;
/// Messages that are ranked among themselves.
const WINDOW: usize = 200;
/// Messages that are looked at together: as many as the message service gives at once.
const BATCH: usize = godwit_kernel::limits::BATCH_IDS_MAX;
/// Texts that are compared with a query before others of this process have their turn.
const COMPARED_AT_ONCE: usize = 8;
/// Fewer are never looked for: most searches end with the first batch.
const BATCH_MIN: usize = 20;

/// What a person looks for.
#[derive(Clone, Debug, Default)]
pub struct MessageSearch {
    /// The words; without them, everything that the rest asks for.
    pub query: Option<Query>,
    /// Only this chat.
    pub chat_id: Option<ChatId>,
    /// Only what this person wrote.
    pub sender_id: Option<UserId>,
    /// Only what was sent then or later.
    pub from: Option<OffsetDateTime>,
    /// Only what was sent before then.
    pub to: Option<OffsetDateTime>,
    /// Only what brings this.
    pub kind: Option<Kind>,
    /// How hits are ordered.
    pub order: Order,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// The most hits, at least 1.
    pub limit: usize,
}

/// How hits are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The most relevant of some 200 first, then those of the next 200.
    Relevance,
}

/// A page of hits.
#[derive(Clone, Debug)]
pub struct Hits {
    /// In their order.
    pub hits: Vec<Hit>,
    /// Where the next page begins, when there may be one.
    pub next: Option<Cursor>,
}

/// A message that matches.
#[derive(Clone, Debug)]
pub struct Hit {
    /// As the person may see it.
    pub message: pb::Message,
    /// How it matches.
    pub found: Match,
    place: Place,
}

/// Some hits, newest first.
struct Scan {
    hits: Vec<Hit>,
    /// The last message that was looked at, when there may be others behind it.
    rest: Option<Place>,
}

impl App {
    /// Finds messages in the chats that the person is a member of at this moment, as they may see them now.
    ///
    /// # Errors
    /// When the named chat is not one of theirs, or a part does not answer.
    #[tracing::instrument(name = "search.search_messages", skip_all, err(level = "debug"))]
    pub async fn search_messages(&self, user_id: UserId, search: &MessageSearch) -> Result<Hits, Error> {
        metrics::counter!("godwit_search_queries_total").increment(1);
        // Without a word that must be there a query would find everything.
        let is_idle = search.query.as_ref().is_some_and(|query| !query.has_words());
        let chats = match search.chat_id {
            Some(chat_id) if self.chats.is_member(chat_id, user_id).await? => vec![chat_id],
            Some(_) => return Err(Error::ChatNotFound),
            None if is_idle => Vec::new(),
            None => self.chats.chat_ids(user_id).await?,
        };
        if chats.is_empty() || is_idle {
            return Ok(Hits { hits: Vec::new(), next: None });
        }
        match search.order {
            Order::Newest => self.newest_page(user_id, search, &chats).await,
            Order::Relevance => self.ranked_page(user_id, search, &chats).await,
        }
    }

    async fn newest_page(&self, user_id: UserId, search: &MessageSearch, chats: &[ChatId]) -> Result<Hits, Error> {
        let before = search.after.map(|(Cursor::Newest(place) | Cursor::Ranked { from: place, .. })| place);
        // One more than asked tells whether there is a next page.
        let mut scan = self.scan(user_id, search, chats, before, search.limit.saturating_add(1)).await?;
        if scan.hits.len() > search.limit {
            scan.hits.truncate(search.limit);
            scan.rest = scan.hits.last().map(|hit| hit.place);
        }
        Ok(Hits { hits: scan.hits, next: scan.rest.map(Cursor::Newest) })
    }

    async fn ranked_page(&self, user_id: UserId, search: &MessageSearch, chats: &[ChatId]) -> Result<Hits, Error> {
        let (from, shown) = match search.after {
            None => (None, 0),
            Some(Cursor::Newest(place)) => (Some(place), 0),
            Some(Cursor::Ranked { from, shown }) => (Some(just_after(from)), shown),
        };
        let mut scan = self.scan(user_id, search, chats, from, WINDOW).await?;
        let (Some(newest), shown) =
            (scan.hits.first().map(|hit| hit.place), usize::try_from(shown).unwrap_or(usize::MAX))
        else {
            return Ok(Hits { hits: Vec::new(), next: scan.rest.map(Cursor::Newest) });
        };
        scan.hits.sort_by(|one, other| by_relevance(one, other, newest.sent_at));
        let end = shown.saturating_add(search.limit);
        let next = if end < scan.hits.len() {
            Some(Cursor::Ranked { from: newest, shown: u32::try_from(end).unwrap_or(u32::MAX) })
        } else {
            scan.rest.map(Cursor::Newest)
        };
        Ok(Hits { hits: scan.hits.into_iter().skip(shown).take(search.limit).collect(), next })
    }

    /// The newest hits that the person may see, at most `wanted`. The index tells what may be one; the message service
    /// tells what each of them says now, and whether the person may see it: so nothing is shown that was deleted,
    /// hidden or edited since.
    async fn scan(
        &self,
        user_id: UserId,
        search: &MessageSearch,
        chats: &[ChatId],
        before: Option<Place>,
        wanted: usize,
    ) -> Result<Scan, Error> {
        let mut criteria = search.criteria(before);
        let (mut hits, mut looked_at): (Vec<Hit>, usize) = (Vec::new(), 0);
        let mut batch = wanted.clamp(BATCH_MIN, BATCH);
        loop {
            let mut connection = self.pool.get().await?;
            let places = candidates::newest(&mut connection, chats, &criteria, batch).await?;
            drop(connection);
            let ids: Vec<MessageId> = places.iter().map(|place| place.message_id).collect();
            let mut messages = self.logs.seen_messages(user_id, &ids).await?;
            let last = places.last().copied();
            for (number, place) in places.iter().enumerate() {
                if number % COMPARED_AT_ONCE == COMPARED_AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
                let Some(message) = messages.remove(&place.message_id) else { continue };
                hits.extend(search.hit(*place, message));
                if hits.len() == wanted {
                    let is_last = Some(place.message_id) == last.map(|last| last.message_id) && places.len() < batch;
                    return Ok(Scan { hits, rest: (!is_last).then_some(*place) });
                }
            }
            looked_at += places.len();
            if places.len() < batch {
                return Ok(Scan { hits, rest: None });
            }
            if looked_at >= LOOKED_AT_MAX {
                return Ok(Scan { hits, rest: last });
            }
            criteria.before = last;
            batch = BATCH;
        }
    }
}

impl MessageSearch {
    fn criteria(&self, before: Option<Place>) -> Criteria {
        let mut terms = self.query.as_ref().map(Query::terms).unwrap_or_default();
        terms.extend(self.sender_id.map(|sender_id| vec![sender_term(sender_id)]));
        terms.extend(self.kind.map(|kind| vec![kind_term(kind)]));
        Criteria { terms, from: self.from, to: self.to, before }
    }

    /// The hit that a message is: the index may be behind, and two words may share a term.
    fn hit(&self, place: Place, message: pb::Message) -> Option<Hit> {
        if self.sender_id.is_some_and(|sender_id| message.sender_id.parse() != Ok(sender_id)) {
            return None;
        }
        if self.kind.is_some_and(|kind| !kinds_of(&message).contains(&kind)) {
            return None;
        }
        let found = self.query.as_ref().map_or_else(|| Some(Match::default()), |query| query.find(&message.text))?;
        Some(Hit { found, message, place })
    }
}

fn by_relevance(one: &Hit, other: &Hit, now: OffsetDateTime) -> Ordering {
    let score = |hit: &Hit| relevance(hit.found.score, hit.place.sent_at, now);
    score(other).total_cmp(&score(one)).then_with(|| other.place.key().cmp(&one.place.key()))
}

/// A place that comes right before this one, newest first, so that what is asked for behind it begins with this one.
fn just_after(place: Place) -> Place {
    let MessageId { chat_id, seq } = place.message_id;
    Place { message_id: MessageId { chat_id, seq: seq.next() }, ..place }
}
