use std::collections::HashMap;

use godwit_contract::auth::v1::AccessAction;
use godwit_contract::chat::v1::GetChannelResponse;
use godwit_contract::v1::User;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Access, Caller};

use super::App;
use crate::Error;
use crate::domain::NameQuery;
use crate::store;

/// For each one that is asked for so many are looked at: some of them may be blocked or gone.
const SPARE: usize = 2;

impl App {
    /// People whose names come near, the nearest first, as the person may see them now. Whoever is blocked, either way,
    /// is not found.
    ///
    /// # Errors
    /// When a part does not answer.
    #[tracing::instrument(name = "search.search_users", skip_all, err(level = "debug"))]
    pub async fn search_users(&self, viewer: UserId, name: &NameQuery, limit: usize) -> Result<Vec<User>, Error> {
        metrics::counter!("godwit_search_name_queries_total", "of" => "people").increment(1);
        let wanted = i64::try_from(limit * SPARE).unwrap_or(i64::MAX);
        let user_ids = store::nearest_people(&mut *self.pool.get().await?, name, wanted).await?;
        let pairs: Vec<(UserId, UserId)> = user_ids.iter().map(|user_id| (viewer, *user_id)).collect();
        let answers = self.access.check_all(AccessAction::Message, &pairs).await?;
        let allowed = user_ids.iter().zip(answers);
        let allowed = allowed.filter(|(_, access)| matches!(access, Access::Allowed | Access::Private));
        let user_ids: Vec<UserId> = allowed.map(|(user_id, _)| *user_id).take(limit).collect();
        let users = self.people.seen_by(viewer, &user_ids).await?;
        let mut users: HashMap<UserId, User> =
            users.into_iter().filter_map(|user| Some((user.id.parse().ok()?, user))).collect();
        Ok(user_ids.iter().filter_map(|user_id| users.remove(user_id)).filter(|user| !user.is_deleted).collect())
    }

    /// Public channels whose handles or titles come near, the nearest first, as they are now.
    ///
    /// # Errors
    /// When a part does not answer.
    #[tracing::instrument(name = "search.search_channels", skip_all, err(level = "debug"))]
    pub async fn search_channels(
        &self,
        caller: &Caller,
        name: &NameQuery,
        limit: usize,
    ) -> Result<Vec<GetChannelResponse>, Error> {
        metrics::counter!("godwit_search_name_queries_total", "of" => "channels").increment(1);
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = store::nearest_channels(&mut *self.pool.get().await?, name, wanted).await?;
        let now = found.iter().map(|(_, handle)| self.chats.channel(caller, handle.clone()));
        let now = futures_util::future::try_join_all(now).await?;
        // A handle may be of another channel by now, which is found by its own name.
        let is_same = |chat_id: &ChatId, channel: &GetChannelResponse| channel.chat_id.parse() == Ok(*chat_id);
        let channels = found.iter().zip(now).filter_map(|((chat_id, _), channel)| Some((chat_id, channel?)));
        Ok(channels.filter(|(chat_id, channel)| is_same(chat_id, channel)).map(|(_, channel)| channel).collect())
    }
}
