use godwit_kernel::UserId;
use time::OffsetDateTime;

use super::App;
use crate::domain::Lease;
use crate::error::Error;
use crate::store;

/// Users taken from a lease together.
const PART: usize = 500;

impl App {
    /// Takes users from a lease who were there until `seen_at`. Who is nowhere else is offline then: the time is
    /// recorded first, so that a failure in between is made good by doing the same again.
    pub(super) async fn part_users(
        &self,
        lease: Lease,
        users: &[UserId],
        seen_at: OffsetDateTime,
    ) -> Result<(), Error> {
        for part in users.chunks(PART) {
            let worse = self.roster.worse_without(lease, part).await?;
            if !worse.offline.is_empty() {
                store::record_last_seen(&mut *self.pool.get().await?, &worse.offline, seen_at).await?;
            }
            self.roster.leave(lease, part).await?;
            self.announcements.add(worse.offline);
            self.announcements.add(worse.away);
        }
        Ok(())
    }
}
