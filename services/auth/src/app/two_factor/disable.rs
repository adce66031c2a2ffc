use godwit_kernel::UserId;

use crate::Error;
use crate::app::{App, Fields, count};
use crate::domain::{ClientAddress, Password, SecondFactor};
use crate::store::TwoFactorOutcome;

impl App {
    /// Takes the guard from the caller's logins, by password and second factor.
    #[tracing::instrument(name = "auth.disable_two_factor", skip_all)]
    pub async fn disable_two_factor(
        &self,
        user_id: UserId,
        password: String,
        code: &str,
        address: Option<ClientAddress>,
    ) -> Result<(), Error> {
        let result = self.try_disable_two_factor(user_id, password, code, address).await;
        count("godwit_auth_two_factor_disablements_total", &result);
        result
    }

    async fn try_disable_two_factor(
        &self,
        user_id: UserId,
        password: String,
        code: &str,
        address: Option<ClientAddress>,
    ) -> Result<(), Error> {
        let mut fields = Fields::default();
        let password = fields.read("password", Password::attempt(password));
        let factor = fields.read("code", SecondFactor::parse(code));
        let (Some(password), Some(factor)) = (password, factor) else { return Err(fields.refuse()) };
        let place = self.passwords.reserve()?;
        self.prove_own_password(user_id, password, place).await?;
        if self.store.totp(user_id).await?.is_none_or(|stored| !stored.is_confirmed) {
            return Err(Error::TwoFactorNotOn);
        }
        self.take_second_factor_try(user_id, None).await?;
        let occasion = self.occasion(address);
        let proof = self.weigh(user_id, &factor, occasion.now).await?;
        match self.store.disable_totp(user_id, &proof, &occasion).await? {
            TwoFactorOutcome::Changed => {
                self.forget_second_factor_failures(user_id).await?;
                self.mail_queued.notify_one();
                Ok(())
            }
            TwoFactorOutcome::AlreadySo => Err(Error::TwoFactorNotOn),
            TwoFactorOutcome::Refused => Err(Error::TwoFactorCodeWrong),
        }
    }
}
