use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use godwit_kernel::UserId;
use godwit_pg::Error;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::Store;
use super::people::read_people;
use crate::domain::{PeopleCursor, PeopleList, Person};

/// Later than anything here happens.
const END_OF_TIME: OffsetDateTime = datetime!(9999-12-31 00:00 UTC);

/// One entry of a list of people.
#[derive(Clone, Debug)]
pub struct PeopleEntry {
    /// Who; `None` when their account is deleted.
    pub person: Option<Person>,
    /// Since when they are friends or blocked, or when the request was made.
    pub at: OffsetDateTime,
    /// The request is to the one whose list it is.
    pub is_incoming: bool,
    /// Where the list goes on behind this entry.
    pub cursor: PeopleCursor,
}

#[derive(QueryableByName)]
struct EntryRow {
    #[diesel(sql_type = SqlUuid)]
    other_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    at: OffsetDateTime,
    #[diesel(sql_type = Bool)]
    is_incoming: bool,
}

/// A column of instants in the rows where the owner of the list is on one side.
struct Arm {
    own_id: &'static str,
    other_id: &'static str,
    at: &'static str,
    is_incoming: bool,
}

const fn arm(own_id: &'static str, other_id: &'static str, at: &'static str) -> Arm {
    Arm { own_id, other_id, at, is_incoming: false }
}

const fn incoming(own_id: &'static str, other_id: &'static str, at: &'static str) -> Arm {
    Arm { own_id, other_id, at, is_incoming: true }
}

const FRIENDS: [Arm; 2] = [arm("low_id", "high_id", "friends_since"), arm("high_id", "low_id", "friends_since")];
const OUTGOING: [Arm; 2] =
    [arm("low_id", "high_id", "low_requested_at"), arm("high_id", "low_id", "high_requested_at")];
const INCOMING: [Arm; 2] =
    [incoming("low_id", "high_id", "high_requested_at"), incoming("high_id", "low_id", "low_requested_at")];
const BLOCKED: [Arm; 2] = [arm("low_id", "high_id", "low_blocked_at"), arm("high_id", "low_id", "high_blocked_at")];

impl Store {
    /// Entries of a person's list, newest first, behind a cursor or from the newest on. Each arm reads one index from
    /// where the page begins, and no further than the page is long.
    pub async fn people_list(
        &self,
        owner: UserId,
        list: PeopleList,
        after: Option<PeopleCursor>,
        limit: i64,
    ) -> Result<Vec<PeopleEntry>, Error> {
        let (at, other_id) = after.map_or((END_OF_TIME, Uuid::max()), |cursor| (cursor.at, cursor.user_id.as_uuid()));
        let mut conn = self.pool.get().await?;
        let rows: Vec<EntryRow> = diesel::sql_query(query(list))
            .bind::<SqlUuid, _>(owner.as_uuid())
            .bind::<Timestamptz, _>(at)
            .bind::<SqlUuid, _>(other_id)
            .bind::<BigInt, _>(limit)
            .load(&mut conn)
            .await?;
        let ids: Vec<UserId> = rows.iter().map(|row| UserId::from_uuid(row.other_id)).collect();
        let people = read_people(&mut conn, &ids).await?;
        let entry = |row: EntryRow| {
            let user_id = UserId::from_uuid(row.other_id);
            let person = people.iter().find(|person| person.user.id == user_id && !person.user.is_deleted);
            let cursor = PeopleCursor { list, at: row.at, user_id };
            PeopleEntry { person: person.cloned(), at: row.at, is_incoming: row.is_incoming, cursor }
        };
        Ok(rows.into_iter().map(entry).collect())
    }
}

#[derive(QueryableByName)]
struct FriendRow {
    #[diesel(sql_type = SqlUuid)]
    other_id: Uuid,
}

impl Store {
    /// Friends of a person in id order, above an id or from the lowest on. A person has a few thousand at most: all are
    /// read by the indexes of both sides, and sorted.
    pub async fn friend_ids(&self, owner: UserId, after: Option<UserId>, limit: i64) -> Result<Vec<UserId>, Error> {
        let after = after.map_or(Uuid::nil(), |after| after.as_uuid());
        let mut conn = self.pool.get().await?;
        let statement = "SELECT other_id FROM (
                SELECT high_id AS other_id FROM relationships WHERE low_id = $1 AND friends_since IS NOT NULL
                UNION ALL
                SELECT low_id AS other_id FROM relationships WHERE high_id = $1 AND friends_since IS NOT NULL
            ) AS friends WHERE other_id > $2 ORDER BY other_id LIMIT $3";
        let rows: Vec<FriendRow> = diesel::sql_query(statement)
            .bind::<SqlUuid, _>(owner.as_uuid())
            .bind::<SqlUuid, _>(after)
            .bind::<BigInt, _>(limit)
            .load(&mut conn)
            .await?;
        Ok(rows.into_iter().map(|row| UserId::from_uuid(row.other_id)).collect())
    }
}

/// One statement of constants; `$1` is the owner, `$2` and `$3` the cursor, `$4` the limit.
fn query(list: PeopleList) -> String {
    let arms: &[&[Arm]] = match list {
        PeopleList::Friends => &[&FRIENDS],
        PeopleList::IncomingRequests => &[&INCOMING],
        PeopleList::OutgoingRequests => &[&OUTGOING],
        PeopleList::Requests => &[&INCOMING, &OUTGOING],
        PeopleList::Blocked => &[&BLOCKED],
    };
    let arm = |Arm { own_id, other_id, at, is_incoming }: &Arm| {
        format!(
            "(SELECT {other_id} AS other_id, {at} AS at, {is_incoming} AS is_incoming FROM relationships
              WHERE {own_id} = $1 AND {at} IS NOT NULL AND ({at}, {other_id}) < ($2, $3)
              ORDER BY {at} DESC, {other_id} DESC LIMIT $4)"
        )
    };
    let arms: Vec<String> = arms.iter().flat_map(|arms| arms.iter()).map(arm).collect();
    format!("{} ORDER BY at DESC, other_id DESC LIMIT $4", arms.join(" UNION ALL "))
}
