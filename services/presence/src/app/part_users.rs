use godwit_kernel::UserId;

use super::App;
use crate::domain::Lease;
use crate::error::Error;
use crate::store;

/// Users taken from a lease together.
const PART: usize = 500;

impl App {
    /// Takes users from a lease. Who is nowhere else is offline then: the time is recorded first, so that a failure
    /// in between is made good by doing the same again.
    pub(super) async fn part_users(&self, lease: Lease, users: &[UserId]) -> Result<(), Error> {
        for part in users.chunks(PART) {
            let offline = self.roster.only_at(lease, part).await?;
            if !offline.is_empty() {
                store::record_last_seen(&mut *self.pool.get().await?, &offline, self.clock.now()).await?;
            }
            self.roster.leave(lease, part).await?;
            self.announcements.add(offline);
        }
        Ok(())
    }
}
