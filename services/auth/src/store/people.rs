use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::relationships::{read_pair, read_pairs};
use super::schema::{recovery_codes, totp_secrets, users};
use super::users::UserRow;
use super::{Relationships, Store};
use crate::domain::{Acquaintance, Audience, Email, Pair, Person, Privacy, Relationship, User, Username};

/// An account as its owner sees it.
#[derive(Debug)]
pub struct OwnAccount {
    /// The profile.
    pub user: User,
    /// Where mails go.
    pub email: Email,
    /// Logins ask for a second factor.
    pub has_second_factor: bool,
    /// How many recovery codes were not used yet.
    pub recovery_code_count: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub(super) struct PersonRow {
    #[diesel(embed)]
    user: UserRow,
    last_seen_audience: i16,
    avatar_audience: i16,
    messages_audience: i16,
    calls_audience: i16,
    forwards_audience: i16,
}

impl From<PersonRow> for Person {
    fn from(row: PersonRow) -> Self {
        Self {
            user: row.user.into(),
            privacy: Privacy {
                last_seen: Audience::stored(row.last_seen_audience),
                avatar: Audience::stored(row.avatar_audience),
                messages: Audience::stored(row.messages_audience),
                calls: Audience::stored(row.calls_audience),
                forwards: Audience::stored(row.forwards_audience),
            },
        }
    }
}

impl Store {
    /// The account with this id; `None` also when it is deleted.
    pub async fn own_account(&self, id: UserId) -> Result<Option<OwnAccount>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<(UserRow, String)> = users::table
            .find(id.as_uuid())
            .filter(users::deleted_at.is_null())
            .select((UserRow::as_select(), users::email))
            .first(&mut conn)
            .await
            .optional()?;
        let Some((user, email)) = row else { return Ok(None) };
        let confirmed = totp_secrets::table.find(id.as_uuid()).filter(totp_secrets::confirmed_at.is_not_null());
        let has_second_factor = diesel::select(diesel::dsl::exists(confirmed)).get_result(&mut conn).await?;
        let codes = recovery_codes::table.filter(recovery_codes::user_id.eq(id.as_uuid()));
        let recovery_code_count = codes.count().get_result(&mut conn).await?;
        Ok(Some(OwnAccount { user: user.into(), email: Email::stored(email), has_second_factor, recovery_code_count }))
    }

    /// A person, and what there is between them and who looks; `None` when there is no such person and never was.
    pub async fn acquaintance(&self, viewer: UserId, id: UserId) -> Result<Option<Acquaintance>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<PersonRow> =
            users::table.find(id.as_uuid()).select(PersonRow::as_select()).first(&mut conn).await.optional()?;
        acquainted(&mut conn, viewer, row).await
    }

    /// The person with this name, and what there is between them and who looks.
    pub async fn acquaintance_by_username(
        &self,
        viewer: UserId,
        name: &Username,
    ) -> Result<Option<Acquaintance>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<PersonRow> = users::table
            .filter(users::username.eq(name.as_str()))
            .select(PersonRow::as_select())
            .first(&mut conn)
            .await
            .optional()?;
        acquainted(&mut conn, viewer, row).await
    }

    /// Whose these usernames are; those of nobody and of deleted accounts are absent.
    pub async fn ids_by_username(&self, names: &[Username]) -> Result<HashMap<Username, UserId>, Error> {
        let mut conn = self.pool.get().await?;
        let names: Vec<&str> = names.iter().map(Username::as_str).collect();
        let rows: Vec<(String, Uuid)> = users::table
            .filter(users::username.eq_any(names).and(users::deleted_at.is_null()))
            .select((users::username, users::id))
            .load(&mut conn)
            .await?;
        Ok(rows.into_iter().map(|(name, id)| (Username::stored(name), UserId::from_uuid(id))).collect())
    }

    /// The ids of the accounts that are not deleted, above an id or from the lowest on.
    pub async fn user_ids(&self, after: Option<UserId>, limit: i64) -> Result<Vec<UserId>, Error> {
        let mut conn = self.pool.get().await?;
        let ids: Vec<Uuid> = users::table
            .filter(users::id.gt(after.map_or(Uuid::nil(), |after| after.as_uuid())).and(users::deleted_at.is_null()))
            .order(users::id)
            .limit(limit)
            .select(users::id)
            .load(&mut conn)
            .await?;
        Ok(ids.into_iter().map(UserId::from_uuid).collect())
    }

    /// The people with these ids, deleted ones too, in id order; unknown ids are absent.
    pub async fn people(&self, ids: &[UserId]) -> Result<Vec<Person>, Error> {
        let mut conn = self.pool.get().await?;
        read_people(&mut conn, ids).await
    }

    /// The people with these ids, and what there is between these pairs: two statements, whatever their number.
    pub async fn people_and_relationships(
        &self,
        ids: &[UserId],
        pairs: &[Pair],
    ) -> Result<(HashMap<UserId, Person>, Relationships), Error> {
        let mut conn = self.pool.get().await?;
        let people = read_people(&mut conn, ids).await?;
        let relationships = read_pairs(&mut conn, pairs).await?;
        Ok((people.into_iter().map(|person| (person.user.id, person)).collect(), relationships))
    }
}

pub(super) async fn read_people(conn: &mut Connection, ids: &[UserId]) -> Result<Vec<Person>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(UserId::as_uuid).collect();
    let rows: Vec<PersonRow> =
        users::table.filter(users::id.eq_any(ids)).order(users::id).select(PersonRow::as_select()).load(conn).await?;
    Ok(rows.into_iter().map(Person::from).collect())
}

async fn acquainted(
    conn: &mut Connection,
    viewer: UserId,
    row: Option<PersonRow>,
) -> Result<Option<Acquaintance>, Error> {
    let Some(person) = row.map(Person::from) else { return Ok(None) };
    let relationship = match Pair::of(viewer, person.user.id) {
        Some(pair) => read_pair(conn, pair).await?,
        None => Relationship::default(),
    };
    Ok(Some(Acquaintance { person, relationship }))
}
