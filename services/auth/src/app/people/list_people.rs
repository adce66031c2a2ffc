use godwit_kernel::UserId;
use time::OffsetDateTime;

use super::super::App;
use crate::Error;
use crate::domain::access::Relation;
use crate::domain::{PeopleCursor, PeopleList, User};
use crate::store::PeopleEntry;

/// An entry of a list, as its owner sees it.
#[derive(Clone, Debug)]
pub struct ListedPerson {
    /// The person.
    pub user: User,
    /// Since when they are friends or blocked, or when the request was made.
    pub at: OffsetDateTime,
    /// The request is to the owner.
    pub is_incoming: bool,
}

/// A page of a list of people.
#[derive(Clone, Debug)]
pub struct PeoplePage {
    /// Newest first. Deleted accounts are left out, so a page may be short though others follow.
    pub people: Vec<ListedPerson>,
    /// Where the next page begins.
    pub next_cursor: Option<PeopleCursor>,
}

impl App {
    /// A page of one of the caller's lists of people.
    #[tracing::instrument(name = "auth.list_people", skip_all)]
    pub async fn list_people(
        &self,
        owner: UserId,
        list: PeopleList,
        after: Option<PeopleCursor>,
        limit: u32,
    ) -> Result<PeoplePage, Error> {
        let mut entries = self.store.people_list(owner, list, after, i64::from(limit) + 1).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let next_cursor = entries.last().filter(|_| has_more).map(|entry| entry.cursor);
        let people = entries.iter().filter_map(|entry| listed(list, entry)).collect();
        Ok(PeoplePage { people, next_cursor })
    }
}

fn listed(list: PeopleList, entry: &PeopleEntry) -> Option<ListedPerson> {
    let relation = match list {
        PeopleList::Friends => Relation::Friend,
        PeopleList::IncomingRequests | PeopleList::OutgoingRequests | PeopleList::Requests => Relation::Stranger,
        PeopleList::Blocked => Relation::Blocked,
    };
    let user = entry.person.as_ref()?.seen_as(relation);
    Some(ListedPerson { user, at: entry.at, is_incoming: entry.is_incoming })
}
