use godwit_contract::chat::v1::{
    CreateChannelRequest, CreateChannelResponse, GetChannelResponse, ListSubscribersResponse, SubscribeResponse,
    UnsubscribeResponse,
};
use godwit_kernel::ChatId;

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /channels`: the same client_chat_id returns the first result.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_channel(&self, request: &CreateChannelRequest) -> Result<CreateChannelResponse, Error> {
        self.call_with(self.http().post(&["channels"]), request).await
    }

    /// `GET /channels/{handle}`: a public channel, for anybody.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_channel(&self, handle: &str) -> Result<GetChannelResponse, Error> {
        self.call(self.http().get(&["channels", handle])).await
    }

    /// `POST /channels/{chat_id}/subscribe`: to a public channel.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn subscribe(&self, chat_id: ChatId) -> Result<SubscribeResponse, Error> {
        self.call(self.http().post(&["channels", &chat_id.to_string(), "subscribe"])).await
    }

    /// `DELETE /channels/{chat_id}/subscribe`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unsubscribe(&self, chat_id: ChatId) -> Result<UnsubscribeResponse, Error> {
        self.call(self.http().delete(&["channels", &chat_id.to_string(), "subscribe"])).await
    }

    /// `GET /channels/{chat_id}/subscribers`: for its owner and admins, in user id order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_subscribers(
        &self,
        chat_id: ChatId,
        limit: u32,
        cursor: &str,
    ) -> Result<ListSubscribersResponse, Error> {
        self.call(
            self.http()
                .get(&["channels", &chat_id.to_string(), "subscribers"])
                .query_unless_zero("limit", limit.into())
                .query_unless_empty("cursor", cursor),
        )
        .await
    }
}
