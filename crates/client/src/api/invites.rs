use godwit_contract::chat::v1::{
    AcceptJoinRequestResponse, CreateInviteRequest, CreateInviteResponse, GetInviteResponse, JoinByInviteResponse,
    ListInvitesResponse, ListJoinRequestsResponse, RejectJoinRequestResponse, RevokeInvitesResponse,
};
use godwit_kernel::{ChatId, UserId};

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /chats/{chat_id}/invites`: at most 100 of a chat that are valid.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_invite(
        &self,
        chat_id: ChatId,
        request: &CreateInviteRequest,
    ) -> Result<CreateInviteResponse, Error> {
        self.call_with(self.http().post(&["chats", &chat_id.to_string(), "invites"]), request).await
    }

    /// `GET /chats/{chat_id}/invites`: those that are valid, the newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_invites(&self, chat_id: ChatId) -> Result<ListInvitesResponse, Error> {
        self.call(self.http().get(&["chats", &chat_id.to_string(), "invites"])).await
    }

    /// `DELETE /chats/{chat_id}/invites`: one, or all of a chat.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn revoke_invites(&self, chat_id: ChatId, code: &str) -> Result<RevokeInvitesResponse, Error> {
        self.call(self.http().delete(&["chats", &chat_id.to_string(), "invites"]).query_unless_empty("code", code))
            .await
    }

    /// `GET /invites/{code}`: what somebody who has the code may know before they join.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_invite(&self, code: &str) -> Result<GetInviteResponse, Error> {
        self.call(self.http().get(&["invites", code])).await
    }

    /// `POST /invites/{code}/join`: who is a member already, or has asked already, changes nothing and uses nothing up.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn join_by_invite(&self, code: &str) -> Result<JoinByInviteResponse, Error> {
        self.call(self.http().post(&["invites", code, "join"])).await
    }

    /// `GET /chats/{chat_id}/join-requests`: who waits for an answer, the oldest first. Who comes and goes is
    /// told by `JoinRequestsChanged`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_join_requests(
        &self,
        chat_id: ChatId,
        limit: u32,
        cursor: &str,
    ) -> Result<ListJoinRequestsResponse, Error> {
        self.call(
            self.http()
                .get(&["chats", &chat_id.to_string(), "join-requests"])
                .query_unless_zero("limit", limit.into())
                .query_unless_empty("cursor", cursor),
        )
        .await
    }

    /// `POST /chats/{chat_id}/join-requests/{user_id}/accept`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn accept_join_request(
        &self,
        chat_id: ChatId,
        user_id: UserId,
    ) -> Result<AcceptJoinRequestResponse, Error> {
        self.call(self.http().post(&["chats", &chat_id.to_string(), "join-requests", &user_id.to_string(), "accept"]))
            .await
    }

    /// `POST /chats/{chat_id}/join-requests/{user_id}/reject`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn reject_join_request(
        &self,
        chat_id: ChatId,
        user_id: UserId,
    ) -> Result<RejectJoinRequestResponse, Error> {
        self.call(self.http().post(&["chats", &chat_id.to_string(), "join-requests", &user_id.to_string(), "reject"]))
            .await
    }
}
