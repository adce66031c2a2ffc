use godwit_contract::chat::v1::GetChannelResponse;
use godwit_contract::v1::User;
use godwit_rpc::Caller;

use super::{App, Hits, MessageSearch, Order};
use crate::Error;
use crate::domain::{NameQuery, Query};

/// The best of everything.
#[derive(Clone, Debug)]
pub struct Everything {
    /// People by name.
    pub users: Vec<User>,
    /// Public channels by name.
    pub channels: Vec<GetChannelResponse>,
    /// Messages by relevance.
    pub messages: Hits,
}

impl App {
    /// People, channels and messages at once: at most `limit` of each. What is too long to be a name is none.
    ///
    /// # Errors
    /// When a part does not answer.
    #[tracing::instrument(name = "search.search_all", skip_all, err(level = "debug"))]
    pub async fn search_all(
        &self,
        caller: &Caller,
        query: Query,
        name: Option<&NameQuery>,
        limit: usize,
    ) -> Result<Everything, Error> {
        let search = MessageSearch { query: Some(query), order: Order::Relevance, limit, ..MessageSearch::default() };
        let (users, channels, messages) = tokio::try_join!(
            async {
                match name {
                    Some(name) => self.search_users(caller.user_id, name, limit).await,
                    None => Ok(Vec::new()),
                }
            },
            async {
                match name {
                    Some(name) => self.search_channels(caller, name, limit).await,
                    None => Ok(Vec::new()),
                }
            },
            self.search_messages(caller.user_id, &search),
        )?;
        Ok(Everything { users, channels, messages })
    }
}
