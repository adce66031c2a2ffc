//! Logins with a second factor: set up, confirmed, verified, disabled.

mod confirm;
mod disable;
mod setup;
mod verify;

use godwit_kernel::UserId;
use time::OffsetDateTime;

use super::{App, throttled};
use crate::Error;
use crate::domain::{SealError, SecondFactor, TotpSecret, second_factor_key};
use crate::store::{Proof, StoredTotp};

pub use verify::VerifyForm;

impl App {
    /// Takes a try of a person's second factor, wherever it is asked for.
    async fn take_second_factor_try(&self, user_id: UserId, address_key: Option<&[u8; 32]>) -> Result<(), Error> {
        let now = self.clock.now();
        let key = second_factor_key(user_id, self.keyring.pepper());
        let taken = self.store.take_try(&key, address_key, now).await?;
        taken.map_err(|refusal| throttled(refusal, now, Error::TwoFactorThrottled))
    }

    /// The second factor was right.
    async fn forget_second_factor_failures(&self, user_id: UserId) -> Result<(), Error> {
        let key = second_factor_key(user_id, self.keyring.pepper());
        Ok(self.store.forget_failures(&key).await?)
    }

    /// What a second factor is worth, as far as that can be told without using it up.
    async fn weigh(&self, user_id: UserId, factor: &SecondFactor, now: OffsetDateTime) -> Result<Proof, Error> {
        let code = match factor {
            SecondFactor::Recovery(code) => return Ok(Proof::Recovery(code.hash(user_id, self.keyring.pepper()))),
            SecondFactor::Totp(code) => code,
        };
        let Some(stored) = self.store.totp(user_id).await? else { return Ok(Proof::Wrong) };
        let step = self.open_totp(user_id, &stored).await?.step_of(code, now);
        Ok(step.map_or(Proof::Wrong, |step| Proof::Step { step, made_at: stored.made_at }))
    }

    /// Opens a stored secret; one that was stored open is sealed now if there is a seal.
    async fn open_totp(&self, user_id: UserId, stored: &StoredTotp) -> Result<TotpSecret, Error> {
        let keeper = self.keyring.keeper();
        let bytes = keeper.take_out(&stored.secret)?;
        if !stored.secret.is_sealed && keeper.seal.is_some() {
            self.store.seal_totp(user_id, &keeper.lock_up(&stored.secret.name, &bytes)?).await?;
        }
        let name = || stored.secret.name.clone();
        TotpSecret::from_bytes(&bytes).ok_or_else(|| SealError::Foreign { name: name() }.into())
    }
}
