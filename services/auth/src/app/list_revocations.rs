use godwit_kernel::{SessionId, limits};
use time::OffsetDateTime;

use super::App;
use crate::Error;
use crate::domain::Revocation;

/// A page of revocations.
pub struct RevocationPage {
    /// By session id.
    pub revocations: Vec<Revocation>,
    /// There are more behind the last.
    pub has_more: bool,
}

impl App {
    /// The sessions that are over, not before `since`, though access tokens of theirs may still be within their life.
    #[tracing::instrument(name = "auth.list_revocations", skip_all)]
    pub async fn list_revocations(
        &self,
        since: Option<OffsetDateTime>,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<RevocationPage, Error> {
        let limit = limits::page_size(limit, limits::INTERNAL_PAGE_MAX, limits::INTERNAL_PAGE_MAX);
        let now = self.clock.now();
        let mut revocations = self.store.revocations(since, after, i64::from(limit) + 1, now).await?;
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = revocations.len() > size;
        revocations.truncate(size);
        Ok(RevocationPage { revocations, has_more })
    }
}
