use diesel::QueryableByName;
use diesel::sql_types::{Binary, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use godwit_kernel::{ChatId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{ClientMessageId, Scheduled, ScheduledId};
use crate::wire::decode_scheduled_content;

#[derive(QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = SqlUuid)]
    pub chat_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub sender_id: Uuid,
    #[diesel(sql_type = Text)]
    pub client_message_id: String,
    #[diesel(sql_type = Binary)]
    pub payload: Vec<u8>,
    #[diesel(sql_type = Timestamptz)]
    pub send_at: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: OffsetDateTime,
    #[diesel(sql_type = Nullable<Text>)]
    pub failure: Option<String>,
    #[diesel(sql_type = Bool)]
    pub is_ended: bool,
    #[diesel(sql_type = Bool)]
    pub is_claimed: bool,
    #[diesel(sql_type = Timestamptz)]
    pub now: OffsetDateTime,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
}

impl Row {
    pub fn into_scheduled(self) -> Scheduled {
        let chat_id = ChatId::from_uuid(self.chat_id);
        Scheduled {
            id: ScheduledId::from_uuid(self.id),
            chat_id,
            sender_id: UserId::from_uuid(self.sender_id),
            client_message_id: ClientMessageId::from_store(self.client_message_id),
            content: decode_scheduled_content(&self.payload, chat_id),
            send_at: self.send_at,
            created_at: self.created_at,
            failure: self.failure,
        }
    }
}

macro_rules! columns {
    ($from:literal) => {
        concat!(
            "s.chat_id, s.id, s.sender_id, s.client_message_id, s.payload, s.send_at, s.created_at, s.failure,
             s.ended_at IS NOT NULL AS is_ended, s.claimed_until IS NOT NULL AS is_claimed,
             clock_timestamp() AS now, s.attempts ",
            $from
        )
    };
}

pub(super) use columns;
