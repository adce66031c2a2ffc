use godwit_contract::auth::v1::auth_internal_service_client::AuthInternalServiceClient;
use godwit_contract::auth::v1::{AccessAction, AccessAnswer, AccessPair, CheckAccessRequest};
use godwit_kernel::UserId;
use godwit_kernel::limits::BATCH_IDS_MAX;
use tonic::Status;

use crate::{Channel, Directory, Target, retry_idempotent};

/// What auth says of one person doing something to another, by blocks, privacy and friendship as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// They may.
    Allowed,
    /// There is no such person, or no longer.
    UserNotFound,
    /// One of the two blocks the other.
    Blocked,
    /// The other's privacy does not allow it.
    Private,
}

impl Access {
    /// An answer that this version does not know is a no.
    fn of(answer: &AccessAnswer) -> Self {
        match (answer.is_allowed, answer.reason.as_str()) {
            (true, _) => Self::Allowed,
            (false, "USER_NOT_FOUND") => Self::UserNotFound,
            (false, "BLOCKED") => Self::Blocked,
            (false, _) => Self::Private,
        }
    }
}

/// Asks auth who may do what to whom. Nothing is remembered, so a block holds from the moment it is made.
#[derive(Clone, Debug)]
pub struct AccessChecks {
    client: AuthInternalServiceClient<Channel>,
}

impl AccessChecks {
    /// At the auth service of the directory.
    pub fn new(directory: &Directory) -> Self {
        Self { client: AuthInternalServiceClient::new(directory.channel(Target::Auth)) }
    }

    /// Whether `actor` may do this to `target`.
    ///
    /// # Errors
    /// When auth does not answer.
    pub async fn check(&self, action: AccessAction, actor: UserId, target: UserId) -> Result<Access, Status> {
        let answers = self.check_all(action, &[(actor, target)]).await?;
        answers.first().copied().ok_or_else(|| Status::internal("auth answered with nothing"))
    }

    /// The same for many pairs of actor and target; one answer a pair, in their order.
    ///
    /// # Errors
    /// When auth does not answer for all of them.
    pub async fn check_all(&self, action: AccessAction, pairs: &[(UserId, UserId)]) -> Result<Vec<Access>, Status> {
        let mut all = Vec::with_capacity(pairs.len());
        for chunk in pairs.chunks(BATCH_IDS_MAX) {
            let pairs = chunk
                .iter()
                .map(|(actor, target)| AccessPair { actor_id: actor.to_string(), target_id: target.to_string() });
            let request = CheckAccessRequest { action: action.into(), pairs: pairs.collect() };
            let answer = retry_idempotent(|| {
                let (mut client, request) = (self.client.clone(), request.clone());
                async move { client.check_access(request).await }
            });
            let answers = answer.await?.into_inner().answers;
            if answers.len() != chunk.len() {
                return Err(Status::internal("auth answered for another number of pairs than it was asked for"));
            }
            all.extend(answers.iter().map(Access::of));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_no() {
        for (is_allowed, reason, access) in [
            (true, "", Access::Allowed),
            (false, "USER_NOT_FOUND", Access::UserNotFound),
            (false, "BLOCKED", Access::Blocked),
            (false, "PRIVACY", Access::Private),
            (false, "", Access::Private),
            (false, "OF_ANOTHER_RELEASE", Access::Private),
        ] {
            assert_eq!(Access::of(&AccessAnswer { is_allowed, reason: reason.to_owned() }), access);
        }
    }
}
