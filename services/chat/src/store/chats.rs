use diesel::prelude::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _, OptionalExtension as _,
    QueryDsl as _,
};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::{chats, direct_chats, members};
use crate::domain::{Chat, ChatOfMember, DirectPair, Kind, MembershipVersion};
use crate::error::Error;

/// A direct chat to make.
#[derive(Clone, Copy, Debug)]
pub struct NewDirectChat {
    /// Its id, if it is made.
    pub id: ChatId,
    /// Its people.
    pub pair: DirectPair,
    /// The present.
    pub created_at: OffsetDateTime,
}

/// Makes the direct chat of a pair, inside the caller's transaction; `None` when there is one, whoever made it. Who
/// comes second at the same moment waits here until the first has committed.
///
/// # Errors
/// When the database does.
pub async fn create_direct_chat(conn: &mut Connection, new: NewDirectChat) -> Result<Option<Chat>, Error> {
    let NewDirectChat { id, pair, created_at } = new;
    let claimed = diesel::insert_into(direct_chats::table)
        .values((
            direct_chats::least_user_id.eq(pair.least().as_uuid()),
            direct_chats::greatest_user_id.eq(pair.greatest().as_uuid()),
            direct_chats::chat_id.eq(id.as_uuid()),
        ))
        .on_conflict((direct_chats::least_user_id, direct_chats::greatest_user_id))
        .do_nothing()
        .execute(conn)
        .await?;
    if claimed == 0 {
        return Ok(None);
    }
    let chat = Chat { id, kind: Kind::Direct, created_at };
    diesel::insert_into(chats::table)
        .values((
            chats::id.eq(id.as_uuid()),
            chats::kind.eq(chat.kind.as_str()),
            chats::membership_version.eq(MembershipVersion::FIRST.as_i64()),
            chats::created_at.eq(created_at),
        ))
        .execute(conn)
        .await?;
    let rows = pair.members().map(|user_id| {
        (
            members::chat_id.eq(id.as_uuid()),
            members::user_id.eq(user_id.as_uuid()),
            members::joined_at.eq(created_at),
        )
    });
    diesel::insert_into(members::table).values(rows.to_vec()).execute(conn).await?;
    Ok(Some(chat))
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
    let kind = Kind::from_store(&kind).ok_or(Error::Damaged("a chat is of an unknown kind"))?;
    let peer_id = [least, greatest].into_iter().flatten().map(UserId::from_uuid).find(|id| *id != user_id);
    Ok(ChatOfMember { chat: Chat { id: ChatId::from_uuid(id), kind, created_at }, peer_id })
}
