use godwit_kernel::UserId;

use crate::Error;
use crate::app::{App, count};
use crate::domain::access::Refusal;
use crate::domain::{QrCode, TotpSecret};
use crate::store::totp_secret_name;

/// A secret for an authenticator, to be shown to its owner once.
pub struct TwoFactorSetup {
    /// To type in.
    pub secret: String,
    /// The same as a URI.
    pub otpauth_uri: String,
    /// The URI as a picture.
    pub qr_code: QrCode,
}

impl App {
    /// Makes a secret that changes nothing until it is confirmed, in place of an earlier one.
    #[tracing::instrument(name = "auth.setup_two_factor", skip_all)]
    pub async fn setup_two_factor(&self, user_id: UserId) -> Result<TwoFactorSetup, Error> {
        let result = self.try_setup_two_factor(user_id).await;
        count("godwit_auth_two_factor_setups_total", &result);
        result
    }

    async fn try_setup_two_factor(&self, user_id: UserId) -> Result<TwoFactorSetup, Error> {
        let own = self.store.own_credentials(user_id).await?.ok_or(Error::Access(Refusal::UserNotFound))?;
        let secret = TotpSecret::generate(&*self.entropy);
        let sealed = self.keyring.keeper().lock_up(&totp_secret_name(user_id), secret.as_bytes())?;
        if !self.store.keep_totp(user_id, &sealed, self.clock.now()).await? {
            return Err(Error::TwoFactorAlreadyOn);
        }
        let otpauth_uri = secret.otpauth_uri(&own.user.username);
        let qr_code = QrCode::new(&otpauth_uri)?;
        Ok(TwoFactorSetup { secret: secret.to_base32(), otpauth_uri, qr_code })
    }
}
