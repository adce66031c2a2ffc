use godwit_kernel::{EventId, UserId, limits};

use super::App;
use crate::Error;
use crate::domain::{LOGIN_HISTORY, LoginRecord};

/// A page of the history.
pub struct LoginPage {
    /// Newest first.
    pub records: Vec<LoginRecord>,
    /// Empty on the last page.
    pub next_cursor: String,
}

impl App {
    /// The tries at the caller's account of the last 90 days, newest first.
    #[tracing::instrument(name = "auth.list_logins", skip_all)]
    pub async fn list_logins(&self, user_id: UserId, limit: u32, cursor: &str) -> Result<LoginPage, Error> {
        let before = match cursor {
            "" => None,
            cursor => Some(cursor.parse::<EventId>().map_err(|_| Error::InvalidCursor)?),
        };
        let limit = limits::page_size(limit, limits::PAGE_DEFAULT, limits::PAGE_MAX);
        let since = self.clock.now() - LOGIN_HISTORY;
        // One more than is asked for tells whether there is a next page.
        let mut records = self.store.login_records(user_id, before, since, i64::from(limit) + 1).await?;
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = records.len() > size;
        records.truncate(size);
        let last = records.last().filter(|_| has_more);
        let next_cursor = last.map(|record| record.id.to_string()).unwrap_or_default();
        Ok(LoginPage { records, next_cursor })
    }
}
