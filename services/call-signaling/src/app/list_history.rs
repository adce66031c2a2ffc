use godwit_kernel::UserId;

use super::App;
use crate::Error;
use crate::domain::{Call, HistoryQuery};
use crate::store;

/// A part of a person's calls that are over.
pub struct HistoryPage {
    /// The newest first.
    pub calls: Vec<Call>,
    /// For the next page; empty when there is none.
    pub next_cursor: String,
}

impl App {
    /// The calls of a person that are over, the newest first. One that ended this very moment may not be there yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_history(&self, user_id: UserId, query: HistoryQuery) -> Result<HistoryPage, Error> {
        let asked = HistoryQuery { limit: query.limit + 1, ..query.clone() };
        let mut calls = store::page(&mut *self.pool.get().await?, user_id, &asked).await?;
        let limit = usize::try_from(query.limit).unwrap_or(0);
        let has_more = calls.len() > limit;
        calls.truncate(limit);
        let last = calls.last().filter(|_| has_more);
        Ok(HistoryPage { next_cursor: last.map(|call| call.id.to_string()).unwrap_or_default(), calls })
    }
}
