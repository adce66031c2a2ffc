use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::direct_blocks::lock_pair;
use super::members::insert_members;
use super::pending_updates::insert_pending_update;
use super::schema::{chats, direct_chats};
use crate::domain::{DirectPair, Kind, Member, MembershipVersion, PendingUpdate, Role};

/// A direct chat to make, with the first update of its log.
#[derive(Clone, Debug)]
pub struct NewDirectChat {
    /// Its id, if it is made.
    pub id: ChatId,
    /// Its people.
    pub pair: DirectPair,
    /// When it is made.
    pub created_at: OffsetDateTime,
    /// Its first update.
    pub first_update: PendingUpdate,
}

/// Makes the direct chat of a pair in one transaction: the chat, its members, and the update that begins its log. False
/// when there is one, whoever made it; who comes second at the same moment waits until the first has committed.
///
/// # Errors
/// When the database does.
pub async fn create_direct_chat(conn: &mut Connection, new: &NewDirectChat) -> Result<bool, Error> {
    conn.transaction(async |conn| {
        lock_pair(conn, new.pair).await?;
        if !claim_pair(conn, new).await? {
            return Ok(false);
        }
        insert_direct_chat(conn, new).await?;
        insert_pending_update(conn, &new.first_update, new.created_at).await?;
        Ok(true)
    })
    .await
}

async fn claim_pair(conn: &mut Connection, new: &NewDirectChat) -> Result<bool, Error> {
    let claimed = diesel::insert_into(direct_chats::table)
        .values((
            direct_chats::least_user_id.eq(new.pair.least().as_uuid()),
            direct_chats::greatest_user_id.eq(new.pair.greatest().as_uuid()),
            direct_chats::chat_id.eq(new.id.as_uuid()),
        ))
        .on_conflict((direct_chats::least_user_id, direct_chats::greatest_user_id))
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(claimed > 0)
}

async fn insert_direct_chat(conn: &mut Connection, new: &NewDirectChat) -> Result<(), Error> {
    let member = |user_id: UserId| Member { user_id, role: Role::Member, joined_at: new.created_at };
    let members = new.pair.members().map(member);
    diesel::insert_into(chats::table)
        .values((
            chats::id.eq(new.id.as_uuid()),
            chats::kind.eq(Kind::Direct.as_str()),
            chats::membership_version.eq(MembershipVersion::FIRST.as_i64()),
            chats::created_at.eq(new.created_at),
            chats::member_count.eq(2),
        ))
        .execute(conn)
        .await?;
    insert_members(conn, new.id, &members, None).await
}

/// The direct chat of a pair.
///
/// # Errors
/// When the database does.
pub async fn direct_chat_id(conn: &mut Connection, pair: DirectPair) -> Result<Option<ChatId>, Error> {
    let id: Option<Uuid> = direct_chats::table
        .find((pair.least().as_uuid(), pair.greatest().as_uuid()))
        .select(direct_chats::chat_id)
        .first(conn)
        .await
        .optional()?;
    Ok(id.map(ChatId::from_uuid))
}
