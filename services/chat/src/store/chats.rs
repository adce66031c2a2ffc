use diesel::prelude::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::direct_blocks::lock_pair;
use super::pending_updates::insert_pending_update;
use super::schema::{chats, direct_chats, members};
use crate::domain::{Chat, ChatOfMember, DirectPair, Kind, MembershipVersion, PendingUpdate};

/// A direct chat to make, with the first update of its log.
#[derive(Clone, Debug)]
pub struct NewDirectChat {
    /// The chat, if it is made.
    pub chat: Chat,
    /// Its people.
    pub pair: DirectPair,
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
        insert_chat(conn, &new.chat, &new.pair.members()).await?;
        insert_pending_update(conn, &new.first_update, new.chat.created_at).await?;
        Ok(true)
    })
    .await
}

async fn claim_pair(conn: &mut Connection, new: &NewDirectChat) -> Result<bool, Error> {
    let claimed = diesel::insert_into(direct_chats::table)
        .values((
            direct_chats::least_user_id.eq(new.pair.least().as_uuid()),
            direct_chats::greatest_user_id.eq(new.pair.greatest().as_uuid()),
            direct_chats::chat_id.eq(new.chat.id.as_uuid()),
        ))
        .on_conflict((direct_chats::least_user_id, direct_chats::greatest_user_id))
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(claimed > 0)
}

async fn insert_chat(conn: &mut Connection, chat: &Chat, member_ids: &[UserId]) -> Result<(), Error> {
    diesel::insert_into(chats::table)
        .values((
            chats::id.eq(chat.id.as_uuid()),
            chats::kind.eq(chat.kind.as_str()),
            chats::membership_version.eq(MembershipVersion::FIRST.as_i64()),
            chats::created_at.eq(chat.created_at),
        ))
        .execute(conn)
        .await?;
    let rows = member_ids.iter().map(|user_id| {
        (
            members::chat_id.eq(chat.id.as_uuid()),
            members::user_id.eq(user_id.as_uuid()),
            members::joined_at.eq(chat.created_at),
        )
    });
    diesel::insert_into(members::table).values(rows.collect::<Vec<_>>()).execute(conn).await?;
    Ok(())
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

type Row = (Uuid, String, OffsetDateTime, Option<Uuid>, Option<Uuid>);

#[diesel::dsl::auto_type]
fn of_members() -> _ {
    members::table
        .inner_join(chats::table)
        .left_join(direct_chats::table.on(direct_chats::chat_id.eq(members::chat_id)))
        .select((
            chats::id,
            chats::kind,
            chats::created_at,
            direct_chats::least_user_id.nullable(),
            direct_chats::greatest_user_id.nullable(),
        ))
}

/// A chat as a user sees it; `None` for who is not a member.
///
/// # Errors
/// When the database does.
pub async fn chat_of_member(
    conn: &mut Connection,
    chat_id: ChatId,
    user_id: UserId,
) -> Result<Option<ChatOfMember>, Error> {
    let row: Option<Row> = of_members()
        .filter(members::chat_id.eq(chat_id.as_uuid()).and(members::user_id.eq(user_id.as_uuid())))
        .first(conn)
        .await
        .optional()?;
    row.map(|row| seen_by(user_id, row)).transpose()
}

/// The chats of a user below an id, or from the highest on: the newest first, for ids grow with time.
///
/// # Errors
/// When the database does.
pub async fn chats_of_member(
    conn: &mut Connection,
    user_id: UserId,
    before: Option<ChatId>,
    limit: u32,
) -> Result<Vec<ChatOfMember>, Error> {
    let before = before.map_or(Uuid::max(), |id| id.as_uuid());
    let rows: Vec<Row> = of_members()
        .filter(members::user_id.eq(user_id.as_uuid()).and(members::chat_id.lt(before)))
        .order(members::chat_id.desc())
        .limit(i64::from(limit))
        .load(conn)
        .await?;
    rows.into_iter().map(|row| seen_by(user_id, row)).collect()
}

fn seen_by(user_id: UserId, row: Row) -> Result<ChatOfMember, Error> {
    let (id, kind, created_at, least, greatest) = row;
    let kind = decode_kind(&kind)?;
    let peer_id = [least, greatest].into_iter().flatten().map(UserId::from_uuid).find(|id| *id != user_id);
    Ok(ChatOfMember { chat: Chat { id: ChatId::from_uuid(id), kind, created_at }, peer_id })
}

pub(super) fn decode_kind(stored: &str) -> Result<Kind, Error> {
    Ok(Kind::from_store(stored).map_err(|unknown| diesel::result::Error::DeserializationError(unknown.into()))?)
}
