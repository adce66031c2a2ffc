use diesel::QueryableByName;
use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, MediaId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::chats;
use super::settings::decode_settings;
use super::{count_from, decode, int};
use crate::domain::{
    Chat, ChatOfMember, Description, Draft, Handle, Info, Kind, MembershipVersion, Role, SlowMode, Standing, Title,
    WhoMayPost,
};

/// What a [`Chat`] is read from, of `chats AS c`.
pub(super) const COLUMNS: &str = "c.id, c.kind, c.membership_version, c.created_at, c.title, c.description, \
     c.avatar_media_id, c.handle, c.who_may_post, c.slow_mode_secs, c.is_history_visible, c.member_count";

#[derive(QueryableByName)]
pub(super) struct ChatRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    membership_version: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: OffsetDateTime,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    description: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    avatar_media_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    handle: Option<String>,
    #[diesel(sql_type = Text)]
    who_may_post: String,
    #[diesel(sql_type = Integer)]
    slow_mode_secs: i32,
    #[diesel(sql_type = Bool)]
    is_history_visible: bool,
    #[diesel(sql_type = Integer)]
    member_count: i32,
}

impl ChatRow {
    pub(super) fn into_chat(self) -> Result<Chat, Error> {
        let info = Info {
            title: Title::from_store(self.title),
            description: Description::from_store(self.description),
            avatar_id: self.avatar_media_id.map(MediaId::from_uuid),
            handle: self.handle.map(Handle::from_store),
            who_may_post: decode(WhoMayPost::from_store(&self.who_may_post))?,
            slow_mode: SlowMode::parse(count_from(self.slow_mode_secs)).unwrap_or_default(),
            is_history_visible: self.is_history_visible,
        };
        Ok(Chat {
            id: ChatId::from_uuid(self.id),
            kind: decode(Kind::from_store(&self.kind))?,
            created_at: self.created_at,
            info,
            member_count: count_from(self.member_count),
            version: MembershipVersion::from_i64(self.membership_version),
        })
    }
}

/// Locks a chat until the transaction ends: all changes of one chat take turns. `None` when there is none, or no longer.
///
/// # Errors
/// When the database does.
pub async fn lock_chat(conn: &mut Connection, chat_id: ChatId) -> Result<Option<Chat>, Error> {
    let query = format!("SELECT {COLUMNS} FROM chats c WHERE c.id = $1 AND c.deleted_at IS NULL FOR NO KEY UPDATE");
    let row: Option<ChatRow> =
        diesel::sql_query(query).bind::<SqlUuid, _>(chat_id.as_uuid()).get_result(conn).await.optional()?;
    row.map(ChatRow::into_chat).transpose()
}

/// A chat; `None` when there is none, or no longer.
///
/// # Errors
/// When the database does.
pub async fn chat(conn: &mut Connection, chat_id: ChatId) -> Result<Option<Chat>, Error> {
    let query = format!("SELECT {COLUMNS} FROM chats c WHERE c.id = $1 AND c.deleted_at IS NULL");
    let row: Option<ChatRow> =
        diesel::sql_query(query).bind::<SqlUuid, _>(chat_id.as_uuid()).get_result(conn).await.optional()?;
    row.map(ChatRow::into_chat).transpose()
}

/// The group or channel to which somebody gave this name when they made it.
///
/// # Errors
/// When the database does.
pub async fn chat_of_client_id(
    conn: &mut Connection,
    creator: UserId,
    client_chat_id: &str,
) -> Result<Option<(ChatId, Kind)>, Error> {
    let row: Option<(Uuid, String)> = chats::table
        .filter(chats::created_by.eq(creator.as_uuid()))
        .filter(chats::client_chat_id.eq(client_chat_id))
        .select((chats::id, chats::kind))
        .first(conn)
        .await
        .optional()?;
    row.map(|(id, kind)| Ok((ChatId::from_uuid(id), decode(Kind::from_store(&kind))?))).transpose()
}

/// Keeps a group or channel. False when its creator has made one under the same name before.
///
/// # Errors
/// When the database does; a handle that is taken breaks the constraint [`HANDLE_CONSTRAINT`].
pub async fn insert_chat(
    conn: &mut Connection,
    chat: &Chat,
    creator: UserId,
    client_chat_id: Option<&str>,
) -> Result<bool, Error> {
    let inserted = diesel::insert_into(chats::table)
        .values((
            chats::id.eq(chat.id.as_uuid()),
            chats::kind.eq(chat.kind.as_str()),
            chats::membership_version.eq(chat.version.as_i64()),
            chats::created_at.eq(chat.created_at),
            chats::title.eq(chat.info.title.as_str()),
            chats::description.eq(chat.info.description.as_str()),
            chats::avatar_media_id.eq(chat.info.avatar_id.map(|id| id.as_uuid())),
            chats::handle.eq(chat.info.handle.as_ref().map(Handle::as_str)),
            chats::who_may_post.eq(chat.info.who_may_post.as_str()),
            chats::slow_mode_secs.eq(int(chat.info.slow_mode.secs())),
            chats::is_history_visible.eq(chat.info.is_history_visible),
            chats::member_count.eq(int(chat.member_count)),
            chats::created_by.eq(creator.as_uuid()),
            chats::client_chat_id.eq(client_chat_id),
        ))
        .on_conflict((chats::created_by, chats::client_chat_id))
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted > 0)
}

/// Two channels cannot have one handle.
pub const HANDLE_CONSTRAINT: &str = "chats_handle";

/// Keeps what a locked chat says of itself, how many are in it, and the version of its member list.
///
/// # Errors
/// When the database does; a handle that is taken breaks the constraint [`HANDLE_CONSTRAINT`].
pub async fn save_chat(conn: &mut Connection, chat: &Chat) -> Result<(), Error> {
    diesel::update(chats::table.find(chat.id.as_uuid()))
        .set((
            chats::membership_version.eq(chat.version.as_i64()),
            chats::title.eq(chat.info.title.as_str()),
            chats::description.eq(chat.info.description.as_str()),
            chats::avatar_media_id.eq(chat.info.avatar_id.map(|id| id.as_uuid())),
            chats::handle.eq(chat.info.handle.as_ref().map(Handle::as_str)),
            chats::who_may_post.eq(chat.info.who_may_post.as_str()),
            chats::slow_mode_secs.eq(int(chat.info.slow_mode.secs())),
            chats::is_history_visible.eq(chat.info.is_history_visible),
            chats::member_count.eq(int(chat.member_count)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The public channel with this handle.
///
/// # Errors
/// When the database does.
pub async fn channel_of_handle(conn: &mut Connection, handle: &Handle) -> Result<Option<Chat>, Error> {
    let query = format!("SELECT {COLUMNS} FROM chats c WHERE c.handle = $1 AND c.deleted_at IS NULL");
    let row: Option<ChatRow> =
        diesel::sql_query(query).bind::<Text, _>(handle.as_str()).get_result(conn).await.optional()?;
    row.map(ChatRow::into_chat).transpose()
}

/// The first public channels above an id, in id order.
///
/// # Errors
/// When the database does.
pub async fn public_channels(conn: &mut Connection, after: Option<ChatId>, limit: i64) -> Result<Vec<Chat>, Error> {
    let query = format!(
        "SELECT {COLUMNS} FROM chats c
         WHERE c.id > $1 AND c.kind = 'channel' AND c.handle IS NOT NULL AND c.deleted_at IS NULL ORDER BY c.id LIMIT $2"
    );
    let query = diesel::sql_query(query)
        .bind::<SqlUuid, _>(after.map_or(Uuid::nil(), |after| after.as_uuid()))
        .bind::<BigInt, _>(limit);
    let rows: Vec<ChatRow> = query.load(conn).await?;
    rows.into_iter().map(ChatRow::into_chat).collect()
}

#[derive(QueryableByName)]
struct ViewRow {
    #[diesel(embed)]
    chat: ChatRow,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    peer_id: Option<Uuid>,
    #[diesel(sql_type = Bool)]
    is_blocked: bool,
    #[diesel(sql_type = Bool)]
    is_archived: bool,
    #[diesel(sql_type = Bool)]
    is_muted_forever: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    muted_until: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Binary>)]
    draft: Option<Vec<u8>>,
    #[diesel(sql_type = BigInt)]
    join_request_count: i64,
}

impl ViewRow {
    fn into_view(self) -> Result<ChatOfMember, Error> {
        let chat = self.chat.into_chat()?;
        let role = decode(Role::from_store(&self.role))?;
        let standing = Standing { is_blocked: self.is_blocked, ..chat.standing(role) };
        Ok(ChatOfMember {
            chat,
            standing,
            peer_id: self.peer_id.map(UserId::from_uuid),
            settings: decode_settings(self.is_archived, self.is_muted_forever, self.muted_until),
            draft: self.draft.map(|payload| Draft(payload.into())),
            join_request_count: u32::try_from(self.join_request_count).unwrap_or(0),
        })
    }
}

/// Those of some chats that a user is a member of, as they see them, in no order.
///
/// # Errors
/// When the database does.
pub async fn chats_of_member(
    conn: &mut Connection,
    user_id: UserId,
    chat_ids: &[ChatId],
) -> Result<Vec<ChatOfMember>, Error> {
    let query = format!(
        "SELECT {COLUMNS}, m.role,
             CASE d.least_user_id WHEN m.user_id THEN d.greatest_user_id ELSE d.least_user_id END AS peer_id,
             coalesce(b.is_blocked, false) AS is_blocked,
             coalesce(s.is_archived, false) AS is_archived,
             coalesce(s.muted_until = 'infinity', false) AS is_muted_forever,
             CASE WHEN isfinite(s.muted_until) THEN s.muted_until END AS muted_until,
             r.payload AS draft,
             CASE m.role WHEN 'member' THEN 0 ELSE (SELECT count(*) FROM
                 (SELECT FROM join_requests j WHERE j.chat_id = c.id LIMIT 10000) AS waiting)
             END AS join_request_count
         FROM members m JOIN chats c ON c.id = m.chat_id AND c.deleted_at IS NULL
         LEFT JOIN direct_chats d ON d.chat_id = m.chat_id
         LEFT JOIN direct_blocks b ON b.low_id = d.least_user_id AND b.high_id = d.greatest_user_id
         LEFT JOIN chat_settings s ON s.user_id = m.user_id AND s.chat_id = m.chat_id
         LEFT JOIN drafts r ON r.user_id = m.user_id AND r.chat_id = m.chat_id
         WHERE m.user_id = $1 AND m.chat_id = ANY($2)"
    );
    let ids: Vec<Uuid> = chat_ids.iter().map(ChatId::as_uuid).collect();
    let rows: Vec<ViewRow> = diesel::sql_query(query)
        .bind::<SqlUuid, _>(user_id.as_uuid())
        .bind::<Array<SqlUuid>, _>(ids)
        .load(conn)
        .await?;
    rows.into_iter().map(ViewRow::into_view).collect()
}

/// Which of a user's chats a list is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatFilter {
    /// Those that are archived, or those that are not.
    Archived(bool),
    /// Some, archived or not.
    Among(Vec<ChatId>),
}

#[derive(QueryableByName)]
pub(super) struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    pub(super) id: Uuid,
}

/// The ids of a user's chats that a list is of, the newest `limit` of them.
///
/// # Errors
/// When the database does.
pub async fn list_ids(
    conn: &mut Connection,
    user_id: UserId,
    filter: &ChatFilter,
    limit: u32,
) -> Result<Vec<ChatId>, Error> {
    let (is_archived, among) = match filter {
        ChatFilter::Archived(is_archived) => (*is_archived, None),
        ChatFilter::Among(ids) => (false, Some(ids.iter().map(ChatId::as_uuid).collect::<Vec<_>>())),
    };
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT m.chat_id AS id FROM members m JOIN chats c ON c.id = m.chat_id AND c.deleted_at IS NULL
         LEFT JOIN chat_settings s ON s.user_id = m.user_id AND s.chat_id = m.chat_id
         WHERE m.user_id = $1 AND CASE WHEN $3::uuid[] IS NULL THEN coalesce(s.is_archived, false) = $2
             ELSE m.chat_id = ANY($3) END
         ORDER BY m.chat_id DESC LIMIT $4",
    )
    .bind::<SqlUuid, _>(user_id.as_uuid())
    .bind::<Bool, _>(is_archived)
    .bind::<Nullable<Array<SqlUuid>>, _>(among)
    .bind::<BigInt, _>(i64::from(limit))
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ChatId::from_uuid(row.id)).collect())
}
