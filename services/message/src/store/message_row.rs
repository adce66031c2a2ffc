use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use godwit_kernel::{ChatId, Seq, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{ClientMessageId, Edit, Emoji, Message, MessageText};
use crate::wire::{decode_extras, decode_reactions};

/// The columns of a message that an outer join may not find.
#[derive(QueryableByName)]
pub struct OptionalMessageRow {
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
    #[diesel(sql_type = Nullable<Binary>)]
    extras: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    reactions: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    edited_at: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Integer>)]
    edit_count: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    deleted_at: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Text>)]
    my_reaction: Option<String>,
}

impl OptionalMessageRow {
    /// The message of a chat, if one was found.
    pub fn into_message(self, chat_id: ChatId) -> Option<Message> {
        let count = self.edit_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        Some(Message {
            chat_id,
            seq: Seq::from_i64(self.seq?),
            sender_id: UserId::from_uuid(self.sender_id?),
            client_message_id: ClientMessageId::from_store(self.client_message_id?),
            text: MessageText::from_store(self.text?),
            sent_at: self.sent_at?,
            extras: self.extras.map(|bytes| Box::new(decode_extras(&bytes))),
            edit: self.edited_at.map(|edited_at| Edit { edited_at, count }),
            reactions: self.reactions.map(|bytes| decode_reactions(&bytes)).unwrap_or_default(),
            my_reaction: self.my_reaction.map(Emoji::from_store),
            is_deleted: self.deleted_at.is_some(),
        })
    }
}
