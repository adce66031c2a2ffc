use std::time::Duration;

use godwit_kernel::{ChatId, UserId};
use moka::sync::Cache;

use super::App;
use crate::clients::Chats;
use crate::domain::{MembershipVersion, PostingPolicy};
use crate::error::Error;
use crate::store;

/// What nobody used for this long is forgotten.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// What users may do in chats, kept until the chat's log says that its member list has changed. A policy alone permits
/// nothing: whoever uses one compares its version with the log's in the transaction, or the statement, that does the
/// work. So a cached policy never outlives the call that took a right away.
pub struct PostingPolicies {
    cache: Cache<(ChatId, UserId), PostingPolicy>,
    chats: Chats,
}

impl PostingPolicies {
    /// An empty cache of at most `capacity` policies.
    pub fn new(capacity: u64, chats: Chats) -> Self {
        Self { cache: Cache::builder().max_capacity(capacity).time_to_idle(IDLE).build(), chats }
    }

    /// The policy of a member, of which the version is still to be compared.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not a member; [`Error::Chats`].
    pub async fn get(&self, chat_id: ChatId, user_id: UserId) -> Result<PostingPolicy, Error> {
        if let Some(policy) = self.cache.get(&(chat_id, user_id)) {
            metrics::counter!("godwit_message_policy_reads_total", "from" => "cache").increment(1);
            return Ok(policy);
        }
        self.reload(chat_id, user_id).await
    }

    /// The policy as the chat service has it now. Who is not a member is not remembered: they may be one in a moment.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn reload(&self, chat_id: ChatId, user_id: UserId) -> Result<PostingPolicy, Error> {
        metrics::counter!("godwit_message_policy_reads_total", "from" => "chat").increment(1);
        match self.chats.posting_policy(chat_id, user_id).await.map_err(Error::Chats)? {
            Some(policy) => {
                self.cache.insert((chat_id, user_id), policy);
                Ok(policy)
            }
            None => {
                self.cache.invalidate(&(chat_id, user_id));
                Err(Error::ChatNotFound)
            }
        }
    }

    /// Allows a member to see what a statement has read, given the version of the log in the same statement; the policy that
    /// does.
    ///
    /// # Errors
    /// As [`Self::get`], when the policy was stale and the user is not a member any more.
    pub async fn confirm(
        &self,
        chat_id: ChatId,
        user_id: UserId,
        policy: PostingPolicy,
        log: MembershipVersion,
    ) -> Result<PostingPolicy, Error> {
        if policy.is_fresh(log) { Ok(policy) } else { self.reload(chat_id, user_id).await }
    }
}

impl App {
    /// The policy of a member by the version that the log has now, for what is not done by a statement that reads it.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not a member; [`Error::Chats`]; the database's.
    pub(super) async fn current_policy(&self, chat_id: ChatId, user_id: UserId) -> Result<PostingPolicy, Error> {
        let policy = self.policies.get(chat_id, user_id).await?;
        let mut conn = self.pool.get().await?;
        let version = store::membership_version(&mut conn, chat_id).await?;
        drop(conn);
        self.policies.confirm(chat_id, user_id, policy, version).await
    }
}

impl PostingPolicy {
    /// Allows a member to see what is in a log that knows where they stand in it. Another log is about to learn it, and until
    /// then nobody can tell what is theirs.
    ///
    /// # Errors
    /// [`Error::LogNotReady`].
    pub(super) fn check_known(&self, is_participant: bool) -> Result<(), Error> {
        if is_participant || self.allows_absent_participants() { Ok(()) } else { Err(Error::LogNotReady) }
    }
}
