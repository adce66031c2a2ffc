use godwit_kernel::{UserId, limits};
use godwit_rpc::InvalidField;

use super::App;
use crate::Error;
use crate::domain::{Email, User, Username};

impl App {
    /// The caller, with their address.
    #[tracing::instrument(name = "auth.get_me", skip_all)]
    pub async fn get_me(&self, id: UserId) -> Result<(User, Email), Error> {
        self.store.user_with_email(id).await?.ok_or(Error::UserNotFound)
    }

    /// A user by id.
    #[tracing::instrument(name = "auth.get_user", skip_all)]
    pub async fn get_user(&self, id: UserId) -> Result<User, Error> {
        self.store.user(id).await?.ok_or(Error::UserNotFound)
    }

    /// A user by name, in any case. What cannot be a name is nobody's.
    #[tracing::instrument(name = "auth.get_user_by_username", skip_all)]
    pub async fn get_user_by_username(&self, name: &str) -> Result<User, Error> {
        let name = Username::parse(name).map_err(|_| Error::UserNotFound)?;
        self.store.user_by_username(&name).await?.ok_or(Error::UserNotFound)
    }

    /// The users with these ids; unknown ones are absent.
    #[tracing::instrument(name = "auth.get_users", skip_all)]
    pub async fn get_users(&self, ids: &[UserId]) -> Result<Vec<User>, Error> {
        if ids.len() > limits::BATCH_IDS_MAX {
            return Err(InvalidField::new("user_ids", "must be at most 200").into());
        }
        Ok(self.store.users(ids).await?)
    }
}
