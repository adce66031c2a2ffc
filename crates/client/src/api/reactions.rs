use godwit_contract::message::v1::{
    ListReactionsRequest, ListReactionsResponse, RemoveReactionResponse, SetReactionRequest, SetReactionResponse,
};
use godwit_kernel::MessageId;

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /messages/{message_id}/reactions`: replaces the caller's reaction.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_reaction(
        &self,
        message_id: MessageId,
        request: &SetReactionRequest,
    ) -> Result<SetReactionResponse, Error> {
        self.call_with(self.http().post(&["messages", &message_id.to_string(), "reactions"]), request).await
    }

    /// `DELETE /messages/{message_id}/reactions`: takes the caller's reaction away, if there is one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove_reaction(&self, message_id: MessageId) -> Result<RemoveReactionResponse, Error> {
        self.call(self.http().delete(&["messages", &message_id.to_string(), "reactions"])).await
    }

    /// `GET /messages/{message_id}/reactions`: who reacted how, the newest first. Of a channel's messages only who may
    /// delete any sees it.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_reactions(
        &self,
        message_id: MessageId,
        request: &ListReactionsRequest,
    ) -> Result<ListReactionsResponse, Error> {
        self.call(
            self.http()
                .get(&["messages", &message_id.to_string(), "reactions"])
                .query_unless_empty("emoji", &request.emoji)
                .query_unless_zero("limit", request.limit.into())
                .query_unless_empty("cursor", &request.cursor),
        )
        .await
    }
}
