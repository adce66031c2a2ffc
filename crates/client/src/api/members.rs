use godwit_contract::chat::v1::{
    AddMembersRequest, AddMembersResponse, BanUserResponse, ChangeRoleRequest, ChangeRoleResponse, LeaveChatResponse,
    ListBansResponse, ListChatMembersResponse, RemoveMemberResponse, TransferOwnershipRequest,
    TransferOwnershipResponse, UnbanUserResponse,
};
use godwit_kernel::{ChatId, UserId};

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `GET /chats/{chat_id}/members`: in user id order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_chat_members(
        &self,
        chat_id: ChatId,
        limit: u32,
        cursor: &str,
    ) -> Result<ListChatMembersResponse, Error> {
        self.call(
            self.http()
                .get(&["chats", &chat_id.to_string(), "members"])
                .query_unless_zero("limit", limit.into())
                .query_unless_empty("cursor", cursor),
        )
        .await
    }

    /// `POST /chats/{chat_id}/members`.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_members(&self, chat_id: ChatId, request: &AddMembersRequest) -> Result<AddMembersResponse, Error> {
        self.call_with(self.http().post(&["chats", &chat_id.to_string(), "members"]), request).await
    }

    /// `PATCH /chats/{chat_id}/members/{user_id}`: at most 50 admins of a chat, besides its owner.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change_role(
        &self,
        chat_id: ChatId,
        user_id: UserId,
        request: &ChangeRoleRequest,
    ) -> Result<ChangeRoleResponse, Error> {
        self.call_with(self.http().patch(&["chats", &chat_id.to_string(), "members", &user_id.to_string()]), request)
            .await
    }

    /// `DELETE /chats/{chat_id}/members/{user_id}`: they are out when this returns: nothing of the chat reaches them
    /// any more. They may join again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove_member(&self, chat_id: ChatId, user_id: UserId) -> Result<RemoveMemberResponse, Error> {
        self.call(self.http().delete(&["chats", &chat_id.to_string(), "members", &user_id.to_string()])).await
    }

    /// `POST /chats/{chat_id}/transfer`: the caller becomes an admin, one of at most 50, the other the owner.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn transfer_ownership(
        &self,
        chat_id: ChatId,
        request: &TransferOwnershipRequest,
    ) -> Result<TransferOwnershipResponse, Error> {
        self.call_with(self.http().post(&["chats", &chat_id.to_string(), "transfer"]), request).await
    }

    /// `POST /chats/{chat_id}/leave`: an owner cannot leave without transfer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn leave_chat(&self, chat_id: ChatId) -> Result<LeaveChatResponse, Error> {
        self.call(self.http().post(&["chats", &chat_id.to_string(), "leave"])).await
    }

    /// `POST /chats/{chat_id}/bans/{user_id}`: out, and not in again until the ban is lifted; also for who is not a
    /// member yet.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ban_user(&self, chat_id: ChatId, user_id: UserId) -> Result<BanUserResponse, Error> {
        self.call(self.http().post(&["chats", &chat_id.to_string(), "bans", &user_id.to_string()])).await
    }

    /// `DELETE /chats/{chat_id}/bans/{user_id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unban_user(&self, chat_id: ChatId, user_id: UserId) -> Result<UnbanUserResponse, Error> {
        self.call(self.http().delete(&["chats", &chat_id.to_string(), "bans", &user_id.to_string()])).await
    }

    /// `GET /chats/{chat_id}/bans`: in user id order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_bans(&self, chat_id: ChatId, limit: u32, cursor: &str) -> Result<ListBansResponse, Error> {
        self.call(
            self.http()
                .get(&["chats", &chat_id.to_string(), "bans"])
                .query_unless_zero("limit", limit.into())
                .query_unless_empty("cursor", cursor),
        )
        .await
    }
}
