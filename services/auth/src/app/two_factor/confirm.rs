use godwit_kernel::UserId;

use crate::Error;
use crate::app::{App, Fields, count};
use crate::domain::{ClientAddress, RecoveryCode, TotpCode};
use crate::store::{Confirmation, TwoFactorOutcome};

impl App {
    /// Guards the caller's logins from now on, by a first code; the recovery codes are told this once.
    #[tracing::instrument(name = "auth.confirm_two_factor", skip_all)]
    pub async fn confirm_two_factor(
        &self,
        user_id: UserId,
        code: &str,
        address: Option<ClientAddress>,
    ) -> Result<Vec<RecoveryCode>, Error> {
        let result = self.try_confirm_two_factor(user_id, code, address).await;
        count("godwit_auth_two_factor_confirmations_total", &result);
        result
    }

    async fn try_confirm_two_factor(
        &self,
        user_id: UserId,
        code: &str,
        address: Option<ClientAddress>,
    ) -> Result<Vec<RecoveryCode>, Error> {
        let mut fields = Fields::default();
        let Some(code) = fields.read("code", TotpCode::parse(code)) else { return Err(fields.refuse()) };
        let stored = self.store.totp(user_id).await?.ok_or(Error::TwoFactorNotSetUp)?;
        if stored.is_confirmed {
            return Err(Error::TwoFactorAlreadyOn);
        }
        self.take_second_factor_try(user_id, None).await?;
        let occasion = self.occasion(address);
        let secret = self.open_totp(user_id, &stored).await?;
        let step = secret.step_of(&code, occasion.now).ok_or(Error::TwoFactorCodeWrong)?;
        let codes = RecoveryCode::generate_set(&*self.entropy);
        let pepper = self.keyring.pepper();
        let confirmation = Confirmation {
            step,
            made_at: stored.made_at,
            recovery_hashes: codes.iter().map(|code| code.hash(user_id, pepper)).collect(),
        };
        let outcome = self.store.confirm_totp(user_id, &confirmation, &occasion).await?;
        if outcome != TwoFactorOutcome::Refused {
            self.forget_second_factor_failures(user_id).await?;
        }
        match outcome {
            TwoFactorOutcome::Changed => {
                self.mail_queued.notify_one();
                Ok(codes)
            }
            TwoFactorOutcome::AlreadySo => Err(Error::TwoFactorAlreadyOn),
            TwoFactorOutcome::Refused => Err(Error::TwoFactorCodeWrong),
        }
    }
}
