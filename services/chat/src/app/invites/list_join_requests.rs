use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::members::take;
use crate::domain::{JoinRequest, Right, TimeCursor};
use crate::error::Error;
use crate::store;

/// Somebody who waits, with what the caller may see of the person.
#[derive(Clone, Debug)]
pub struct RequestView {
    /// Since when.
    pub request: JoinRequest,
    /// Who.
    pub user: pb::User,
}

/// Some of those who wait.
#[derive(Clone, Debug)]
pub struct RequestsPage {
    /// The oldest first.
    pub requests: Vec<RequestView>,
    /// Where the next page begins; `None` on the last one.
    pub next_cursor: Option<TimeCursor>,
}

impl App {
    /// A page of those who wait to be let into a chat, the oldest first.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`].
    #[tracing::instrument(name = "chat.list_join_requests", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn list_join_requests(
        &self,
        caller: UserId,
        chat_id: ChatId,
        cursor: Option<TimeCursor>,
        limit: u32,
    ) -> Result<RequestsPage, Error> {
        self.check_right(caller, chat_id, Right::Invite).await?;
        let mut conn = self.pool.get().await?;
        let mut requests = store::join_requests_of(&mut conn, chat_id, cursor, limit + 1).await?;
        drop(conn);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = requests.len() > limit;
        requests.truncate(limit);
        let next_cursor = requests
            .last()
            .filter(|_| has_more)
            .map(|last| TimeCursor { at: last.requested_at, id: last.user_id.as_uuid() });
        let ids: Vec<_> = requests.iter().map(|request| request.user_id).collect();
        let mut users = self.people(caller, &ids).await?;
        let view = |request: JoinRequest| RequestView { user: take(&mut users, request.user_id), request };
        Ok(RequestsPage { requests: requests.into_iter().map(view).collect(), next_cursor })
    }
}
