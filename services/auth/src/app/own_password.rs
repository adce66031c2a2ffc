use godwit_kernel::UserId;

use super::passwords::Place;
use super::{App, throttled};
use crate::Error;
use crate::domain::access::Refusal;
use crate::domain::{Password, own_password_key};
use crate::store::OwnCredentials;

impl App {
    /// Lets a caller prove that they are still the one who logged in. Wrong passwords are counted apart from those of
    /// logins, so that a stolen session cannot lock its owner out.
    pub(super) async fn prove_own_password(
        &self,
        user_id: UserId,
        password: Password,
        place: Place,
    ) -> Result<OwnCredentials, Error> {
        let now = self.clock.now();
        let key = own_password_key(user_id, self.keyring.pepper());
        let taken = self.store.take_try(&key, None, now).await?;
        taken.map_err(|refusal| throttled(refusal, now, Error::PasswordThrottled))?;
        let own = self.store.own_credentials(user_id).await?.ok_or(Error::Access(Refusal::UserNotFound))?;
        if !self.passwords.verify(place, password, Some(own.password_hash.clone())).await? {
            return Err(Error::PasswordWrong);
        }
        self.store.forget_failures(&key).await?;
        Ok(own)
    }
}
