use super::App;
use crate::Error;
use crate::domain::{Login, own_password_key, second_factor_key};

/// The most accounts of one run, so that other upkeep has its turn.
const RUN_MAX: usize = 1_000;

impl App {
    /// Takes everything that names a person from the accounts that were deleted too long ago to come back; tells how
    /// many.
    #[tracing::instrument(name = "auth.purge_accounts", skip_all)]
    pub async fn purge_accounts(&self) -> Result<usize, Error> {
        let pepper = self.keyring.pepper();
        let mut count = 0;
        while count < RUN_MAX {
            let occasion = self.occasion(None);
            let purged = self.store.purge_account(&occasion, |user, email| {
                vec![
                    Login::Email(email.clone()).throttle_key(pepper),
                    Login::Username(user.username.clone()).throttle_key(pepper),
                    own_password_key(user.id, pepper),
                    second_factor_key(user.id, pepper),
                ]
            });
            if purged.await?.is_none() {
                break;
            }
            metrics::counter!("godwit_auth_accounts_purged_total").increment(1);
            count += 1;
        }
        Ok(count)
    }
}
