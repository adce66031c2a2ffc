use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, Seq, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::{ClientMessageId, Epoch, MembershipVersion, Message, MessageText};

/// Where a chat's log stands, and its newest message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadWithMessage {
    /// The chat.
    pub chat_id: ChatId,
    /// The newest update.
    pub last_seq: Seq,
    /// The log's name.
    pub epoch: Epoch,
    /// `None` when nobody has written.
    pub last_message: Option<Message>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = Text)]
    epoch: String,
    #[diesel(embed)]
    message: OptionalMessageRow,
}

/// The columns of a message that an outer join may not find.
#[derive(QueryableByName)]
pub(super) struct OptionalMessageRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<i64>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    sender_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    client_message_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    sent_at: Option<OffsetDateTime>,
}

impl OptionalMessageRow {
    pub(super) fn into_message(self, chat_id: ChatId) -> Option<Message> {
        Some(Message {
            chat_id,
            seq: Seq::from_i64(self.seq?),
            sender_id: UserId::from_uuid(self.sender_id?),
            client_message_id: ClientMessageId::from_store(self.client_message_id?),
            text: MessageText::from_store(self.text?),
            sent_at: self.sent_at?,
        })
    }
}

/// The heads of chats with their newest messages; chats without a log are absent.
///
/// # Errors
/// When the database does.
pub async fn heads_with_messages(conn: &mut Connection, chats: &[ChatId]) -> Result<Vec<HeadWithMessage>, Error> {
    let query = sql_query(
        "SELECT h.chat_id, h.last_seq, h.epoch, m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at
         FROM chat_heads h LEFT JOIN LATERAL (
             SELECT * FROM messages WHERE chat_id = h.chat_id ORDER BY seq DESC LIMIT 1
         ) AS m ON true
         WHERE h.chat_id = ANY ($1) AND h.last_seq > 0",
    )
    .bind::<Array<SqlUuid>, _>(chats.iter().map(ChatId::as_uuid).collect::<Vec<_>>());
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let heads = rows.into_iter().map(|row| {
        let chat_id = ChatId::from_uuid(row.chat_id);
        HeadWithMessage {
            chat_id,
            last_seq: Seq::from_i64(row.last_seq),
            epoch: Epoch::from_store(row.epoch),
            last_message: row.message.into_message(chat_id),
        }
    });
    Ok(heads.collect())
}

/// Raises the version of a chat's member list; nothing when it is as high, or there is no log. The head's row is locked
/// as the appender locks it: a batch is numbered either before, or by the raised version.
///
/// # Errors
/// When the database does.
pub async fn raise_membership_version(
    conn: &mut Connection,
    chat_id: ChatId,
    version: MembershipVersion,
) -> Result<(), Error> {
    let query =
        sql_query("UPDATE chat_heads SET membership_version = $2 WHERE chat_id = $1 AND membership_version < $2")
            .bind::<SqlUuid, _>(chat_id.as_uuid())
            .bind::<BigInt, _>(version.as_i64());
    Prepared(query).execute(conn).await?;
    Ok(())
}
