use std::collections::HashSet;

use godwit_contract::v1::User;
use godwit_kernel::UserId;
use godwit_pg as pg;

use super::App;
use crate::Error;
use crate::domain::{ChannelEntry, PersonEntry, folded};
use crate::store;

impl App {
    /// Takes what people are called now into the index, or them out of it. What happened to them is not believed but
    /// asked for: so it does not matter in which order, or how often, it is told. What was asked before somebody else
    /// asked may be written after them: so it is asked again until it is what was written.
    ///
    /// # Errors
    /// When the database or auth does not answer.
    pub async fn refresh_people(&self, user_ids: &[UserId]) -> Result<(), Error> {
        let mut people = self.people_now(user_ids).await?;
        loop {
            let is_there: HashSet<UserId> = people.iter().map(|person| person.user_id).collect();
            let gone: Vec<UserId> = user_ids.iter().filter(|user_id| !is_there.contains(user_id)).copied().collect();
            store::write_people(&mut *self.pool.get().await?, &people, &gone).await?;
            let now = self.people_now(user_ids).await?;
            if now == people {
                return Ok(());
            }
            people = now;
        }
    }

    async fn people_now(&self, user_ids: &[UserId]) -> Result<Vec<PersonEntry>, Error> {
        let users = self.people.profiles(user_ids).await?;
        let mut people: Vec<PersonEntry> = users.iter().filter(|user| !user.is_deleted).filter_map(person).collect();
        people.sort_unstable_by_key(|person| person.user_id);
        Ok(people)
    }

    /// Takes what channels are called into the index, one entry a channel.
    ///
    /// # Errors
    /// When the database refuses or does not answer.
    pub async fn keep_channels(&self, channels: &[ChannelEntry]) -> Result<(), pg::Error> {
        if channels.is_empty() {
            return Ok(());
        }
        store::write_channels(&mut *self.pool.get().await?, channels).await
    }
}

/// A name that the database cannot hold is nobody's.
fn person(user: &User) -> Option<PersonEntry> {
    let names = folded(&format!("{} {}", user.username, user.display_name));
    if names.contains('\0') {
        return None;
    }
    Some(PersonEntry { user_id: user.id.parse().ok()?, username: folded(&user.username), names })
}
