use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use godwit_kernel::{DeviceId, UserId};
use godwit_live::Error;

use super::{Roster, SET_TTL};
use crate::domain::{Activity, Lease};

/// The users of a report whose sets are changed at once: a report may have thousands.
const AT_ONCE: usize = 64;

/// Between a lease and the device that is in front of the user there.
const SEPARATOR: char = '/';

impl Roster {
    /// Keeps with which devices users are in front of connections under a lease, in place of what was kept under it.
    ///
    /// # Errors
    /// Those of live. Some may be kept already; to do it again is right.
    pub async fn set_foreground(&self, lease: Lease, devices: &HashMap<UserId, Vec<DeviceId>>) -> Result<(), Error> {
        let users: Vec<UserId> = devices.keys().copied().collect();
        let kept = self.live.members_of_sets(&keys(&users)).await?;
        let changes = users.into_iter().zip(kept).map(|(user_id, kept)| {
            let wanted: Vec<String> =
                devices.get(&user_id).into_iter().flatten().map(|device| mark(lease, *device)).collect();
            self.keep_marks(lease, user_id, wanted, kept)
        });
        stream::iter(changes).map(Ok).try_for_each_concurrent(AT_ONCE, |change| change).await
    }

    /// What is kept already is added again, too: it is to be kept for longer.
    async fn keep_marks(
        &self,
        lease: Lease,
        user_id: UserId,
        wanted: Vec<String>,
        kept: Vec<String>,
    ) -> Result<(), Error> {
        let is_stale = |mark: &String| under(mark, lease).is_some() && !wanted.contains(mark);
        let stale: Vec<String> = kept.into_iter().filter(is_stale).collect();
        if !stale.is_empty() {
            self.live.remove_from_sets(&[key(user_id)], &stale).await?;
        }
        if !wanted.is_empty() {
            self.live.add_to_sets(&[key(user_id)], &wanted, SET_TTL).await?;
        }
        Ok(())
    }

    /// The devices that these users have in front of them, at nodes that hold their lease.
    ///
    /// # Errors
    /// Those of live.
    pub async fn foreground(&self, users: &[UserId]) -> Result<Vec<DeviceId>, Error> {
        let mut places = self.held_places(users).await?;
        for places in places.values_mut() {
            places.retain(|place| place.activity == Activity::Active);
        }
        places.retain(|_, places| !places.is_empty());
        let active: Vec<UserId> = places.keys().copied().collect();
        let kept = self.live.members_of_sets(&keys(&active)).await?;
        let mut devices = Vec::new();
        for (user_id, marks) in active.iter().zip(kept) {
            for place in places.get(user_id).into_iter().flatten() {
                devices.extend(marks.iter().filter_map(|mark| under(mark, place.lease)));
            }
        }
        Ok(devices)
    }
}

/// The device of a mark, if it is under this lease.
fn under(mark: &str, lease: Lease) -> Option<DeviceId> {
    let (of, device) = mark.split_once(SEPARATOR)?;
    if of.parse() == Ok(lease) { device.parse().ok() } else { None }
}

fn mark(lease: Lease, device: DeviceId) -> String {
    format!("{lease}{SEPARATOR}{device}")
}

fn key(user_id: UserId) -> String {
    format!("presence:front:{user_id}")
}

fn keys(users: &[UserId]) -> Vec<String> {
    users.iter().map(|user_id| key(*user_id)).collect()
}
