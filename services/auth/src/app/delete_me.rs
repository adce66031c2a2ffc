use godwit_kernel::UserId;

use super::{App, Fields, count};
use crate::Error;
use crate::domain::{ClientAddress, Password};

impl App {
    /// Hides the caller's account and ends all its sessions. A login within 30 days brings it back.
    #[tracing::instrument(name = "auth.delete_me", skip_all)]
    pub async fn delete_me(
        &self,
        user_id: UserId,
        password: String,
        address: Option<ClientAddress>,
    ) -> Result<(), Error> {
        let result = self.try_delete_me(user_id, password, address).await;
        count("godwit_auth_account_deletions_total", &result);
        result
    }

    async fn try_delete_me(
        &self,
        user_id: UserId,
        password: String,
        address: Option<ClientAddress>,
    ) -> Result<(), Error> {
        let mut fields = Fields::default();
        let Some(password) = fields.read("password", Password::attempt(password)) else { return Err(fields.refuse()) };
        let place = self.passwords.reserve()?;
        let own = self.prove_own_password(user_id, password, place).await?;
        let occasion = self.occasion(address);
        let deleted = self.store.delete_account(user_id, &own.password_hash, &occasion).await?;
        let ended = deleted.ok_or(Error::PasswordWrong)?;
        self.mail_queued.notify_one();
        self.announce(ended).await;
        Ok(())
    }
}
