use godwit_contract::message::v1::message_service_client::MessageServiceClient;
use godwit_contract::message::v1::reaction_service_client::ReactionServiceClient;
use godwit_contract::message::v1::receipt_service_client::ReceiptServiceClient;
use godwit_contract::message::v1::{
    DeleteMessageRequest, EditMessageRequest, MarkDeliveredRequest, MarkReadRequest, RemoveReactionRequest,
    SetReactionRequest,
};
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{
    AckFrame, DeleteMessageFrame, DeliveredFrame, DoneFrame, EditMessageFrame, ReactFrame, ReadFrame,
};
use godwit_kernel::{ChatId, MessageId};
use godwit_rpc::{parse_id, retry_idempotent, to_status};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status};

use crate::clients::Services;

/// What a client does to a message or a cursor by a frame. Each is idempotent: doing it again changes nothing.
pub enum Action {
    Edit(EditMessageFrame),
    Delete(DeleteMessageFrame),
    React(ReactFrame),
    Read(ReadFrame),
    Delivered(DeliveredFrame),
}

impl Action {
    /// Does it on behalf of whom `metadata` names, and gives the answer.
    pub async fn run(self, services: &Services, metadata: &MetadataMap) -> Result<Frame, Status> {
        let channel = services.messages_of(self.chat()?);
        match self {
            Self::Edit(EditMessageFrame { message_id, text, entities }) => {
                let asked = EditMessageRequest { message_id, text, entities };
                let answer = retry_idempotent(|| async {
                    MessageServiceClient::new(channel.clone()).edit_message(request(metadata, asked.clone())).await
                })
                .await?;
                return Ok(Frame::Ack(AckFrame { message: answer.into_inner().message }));
            }
            Self::Delete(DeleteMessageFrame { message_id, is_for_me_only }) => {
                let asked = DeleteMessageRequest { message_id, is_for_me_only };
                retry_idempotent(|| async {
                    MessageServiceClient::new(channel.clone()).delete_message(request(metadata, asked.clone())).await
                })
                .await?;
            }
            Self::React(ReactFrame { message_id, emoji }) if emoji.is_empty() => {
                let asked = RemoveReactionRequest { message_id };
                retry_idempotent(|| async {
                    ReactionServiceClient::new(channel.clone()).remove_reaction(request(metadata, asked.clone())).await
                })
                .await?;
            }
            Self::React(ReactFrame { message_id, emoji }) => {
                let asked = SetReactionRequest { message_id, emoji };
                retry_idempotent(|| async {
                    ReactionServiceClient::new(channel.clone()).set_reaction(request(metadata, asked.clone())).await
                })
                .await?;
            }
            Self::Read(ReadFrame { chat_id, seq }) => {
                let asked = MarkReadRequest { chat_id, seq };
                retry_idempotent(|| async {
                    ReceiptServiceClient::new(channel.clone()).mark_read(request(metadata, asked.clone())).await
                })
                .await?;
            }
            Self::Delivered(DeliveredFrame { chat_id, seq }) => {
                let asked = MarkDeliveredRequest { chat_id, seq };
                retry_idempotent(|| async {
                    ReceiptServiceClient::new(channel.clone()).mark_delivered(request(metadata, asked.clone())).await
                })
                .await?;
            }
        }
        Ok(Frame::Done(DoneFrame {}))
    }

    fn chat(&self) -> Result<ChatId, Status> {
        let (message_id, chat_id) = match self {
            Self::Edit(EditMessageFrame { message_id, .. })
            | Self::Delete(DeleteMessageFrame { message_id, .. })
            | Self::React(ReactFrame { message_id, .. }) => (message_id, None),
            Self::Read(ReadFrame { chat_id, .. }) | Self::Delivered(DeliveredFrame { chat_id, .. }) => {
                (chat_id, Some(chat_id))
            }
        };
        match chat_id {
            Some(chat_id) => parse_id("chat_id", chat_id).map_err(to_status),
            None => parse_id::<MessageId>("message_id", message_id).map(|id| id.chat_id).map_err(to_status),
        }
    }
}

fn request<T>(metadata: &MetadataMap, message: T) -> Request<T> {
    Request::from_parts(metadata.clone(), Extensions::new(), message)
}
