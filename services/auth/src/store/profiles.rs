use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_events::{NewRecord, outbox};
use godwit_kernel::{MediaId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::Store;
use super::people::PersonRow;
use super::schema::{usernames, users};
use super::users::UserRow;
use crate::domain::{Bio, DisplayName, Person, Privacy, PrivacyChanges, User, Username};

/// What a person changes of their profile; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct ProfileChanges {
    /// What others read.
    pub display_name: Option<DisplayName>,
    /// What they say of themselves.
    pub bio: Option<Bio>,
    /// The name they want; the one before is free at once.
    pub username: Option<Username>,
}

/// What became of a change of a profile.
#[derive(Debug)]
pub enum ProfileOutcome {
    /// The profile is this now.
    Changed(User),
    /// Somebody else has the username, or one that looks like it.
    UsernameTaken,
    /// There is no such account.
    NotFound,
}

/// What became of a change of an avatar.
#[derive(Debug)]
pub enum AvatarOutcome {
    /// The profile is this now.
    Changed(User),
    /// The avatar is another than was expected: it was changed meanwhile.
    Moved,
    /// There is no such account.
    NotFound,
}

impl Store {
    /// Changes a profile, and puts the record that `event` makes of it into the outbox; when nothing is other than
    /// before, none.
    pub async fn change_profile(
        &self,
        id: UserId,
        changes: &ProfileChanges,
        now: OffsetDateTime,
        event: impl Fn(&User) -> NewRecord + Send + Sync,
    ) -> Result<ProfileOutcome, Error> {
        let mut conn = self.pool.get().await?;
        let result = conn.transaction::<_, Error, _>(async |conn| {
            let Some(before) = lock_user(conn, id).await? else { return Ok(ProfileOutcome::NotFound) };
            let mut user = before.clone();
            user.display_name = changes.display_name.clone().unwrap_or(user.display_name);
            user.bio = changes.bio.clone().unwrap_or(user.bio);
            user.username = changes.username.clone().unwrap_or(user.username);
            if user == before {
                return Ok(ProfileOutcome::Changed(user));
            }
            if user.username != before.username && !rename(conn, &user, now).await? {
                return Ok(ProfileOutcome::UsernameTaken);
            }
            diesel::update(users::table.find(id.as_uuid()))
                .set((
                    users::username.eq(user.username.as_str()),
                    users::display_name.eq(user.display_name.as_str()),
                    users::bio.eq(user.bio.as_str()),
                ))
                .execute(conn)
                .await?;
            outbox::enqueue(conn, vec![event(&user)]).await?;
            Ok(ProfileOutcome::Changed(user))
        });
        match result.await {
            // Somebody took it since `rename` looked.
            Err(error) if error.is_unique_violation().is_some() => Ok(ProfileOutcome::UsernameTaken),
            result => result,
        }
    }

    /// Changes the avatar if it is `expected` until now, and puts the record that `event` makes of the profile into the
    /// outbox; when it is the same as before, none.
    pub async fn change_avatar(
        &self,
        id: UserId,
        expected: Option<MediaId>,
        avatar_id: Option<MediaId>,
        event: impl Fn(&User) -> NewRecord + Send + Sync,
    ) -> Result<AvatarOutcome, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let Some(mut user) = lock_user(conn, id).await? else { return Ok(AvatarOutcome::NotFound) };
            if user.avatar_id != expected {
                return Ok(AvatarOutcome::Moved);
            }
            if user.avatar_id != avatar_id {
                user.avatar_id = avatar_id;
                diesel::update(users::table.find(id.as_uuid()))
                    .set(users::avatar_media_id.eq(avatar_id.map(|id| id.as_uuid())))
                    .execute(conn)
                    .await?;
                outbox::enqueue(conn, vec![event(&user)]).await?;
            }
            Ok(AvatarOutcome::Changed(user))
        })
        .await
    }

    /// Changes who may see and do what; `None` when there is no such account.
    pub async fn change_privacy(&self, id: UserId, changes: &PrivacyChanges) -> Result<Option<Privacy>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let row: Option<PersonRow> = users::table
                .find(id.as_uuid())
                .filter(users::deleted_at.is_null())
                .select(PersonRow::as_select())
                .for_no_key_update()
                .first(conn)
                .await
                .optional()?;
            let Some(person) = row.map(Person::from) else { return Ok(None) };
            let privacy = person.privacy.with(changes);
            diesel::update(users::table.find(id.as_uuid()))
                .set((
                    users::last_seen_audience.eq(privacy.last_seen.number()),
                    users::avatar_audience.eq(privacy.avatar.number()),
                    users::messages_audience.eq(privacy.messages.number()),
                    users::calls_audience.eq(privacy.calls.number()),
                    users::forwards_audience.eq(privacy.forwards.number()),
                ))
                .execute(conn)
                .await?;
            Ok(Some(privacy))
        })
        .await
    }
}

/// The account, locked as a change of its name needs it; `None` also when it is deleted.
async fn lock_user(conn: &mut Connection, id: UserId) -> Result<Option<User>, Error> {
    let row: Option<UserRow> = users::table
        .find(id.as_uuid())
        .filter(users::deleted_at.is_null())
        .select(UserRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(User::from))
}

/// Gives the user their new name in place of the old, unless another account or a registration that still waits has
/// one that looks like it.
async fn rename(conn: &mut Connection, user: &User, now: OffsetDateTime) -> Result<bool, Error> {
    let alike = usernames::skeleton.eq(user.username.skeleton());
    diesel::delete(usernames::table.filter(alike).filter(usernames::held_until.le(now))).execute(conn).await?;
    let alike = usernames::table
        .filter(usernames::skeleton.eq(user.username.skeleton()))
        .filter(usernames::user_id.is_null().or(usernames::user_id.ne(user.id.as_uuid())));
    if diesel::select(diesel::dsl::exists(alike)).get_result(conn).await? {
        return Ok(false);
    }
    diesel::update(usernames::table.filter(usernames::user_id.eq(user.id.as_uuid())))
        .set(usernames::username.eq(user.username.as_str()))
        .execute(conn)
        .await?;
    Ok(true)
}
