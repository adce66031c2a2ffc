use godwit_kernel::UserId;
use godwit_kernel::limits::{INTERNAL_PAGE_MAX, page_size};

use super::super::App;
use crate::Error;

/// A page of all accounts.
#[derive(Clone, Debug)]
pub struct UserIds {
    /// In id order.
    pub user_ids: Vec<UserId>,
    /// There are others behind them.
    pub has_more: bool,
}

impl App {
    /// The accounts that are not deleted above an id, or from the lowest on.
    ///
    /// # Errors
    /// When the database does not answer.
    #[tracing::instrument(name = "auth.list_user_ids", skip_all)]
    pub async fn list_user_ids(&self, after: Option<UserId>, limit: u32) -> Result<UserIds, Error> {
        let limit = page_size(limit, INTERNAL_PAGE_MAX, INTERNAL_PAGE_MAX);
        let mut user_ids = self.store.user_ids(after, i64::from(limit) + 1).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = user_ids.len() > limit;
        user_ids.truncate(limit);
        Ok(UserIds { user_ids, has_more })
    }
}
