use super::{App, Fields, count};
use crate::Error;
use crate::domain::{ClientAddress, Login, Names, OpaqueToken, Password, ResetClaim};
use crate::store::ResetOutcome;

/// Where the contract has the password that is to be set.
const FIELD: &str = "new_password";

impl App {
    /// Sets a new password by a mailed token, once, and ends all sessions. The second factor stays as it is: the next
    /// login asks for it.
    #[tracing::instrument(name = "auth.reset_password", skip_all)]
    pub async fn reset_password(&self, token: &str, new: String, address: Option<ClientAddress>) -> Result<(), Error> {
        let result = self.try_reset_password(token, new, address).await;
        count("godwit_auth_password_resets_total", &result);
        result
    }

    async fn try_reset_password(&self, token: &str, new: String, address: Option<ClientAddress>) -> Result<(), Error> {
        let mut fields = Fields::default();
        let Some(new) = fields.read(FIELD, Password::parse(new)) else { return Err(fields.refuse()) };
        let weak = |problem| Error::WeakPassword { field: FIELD, problem };
        new.refuse_common().map_err(weak)?;
        let pepper = self.keyring.pepper();
        let token_hash = OpaqueToken::parse(token).ok_or(Error::ResetTokenInvalid)?.reset_hash(pepper);
        let place = self.passwords.reserve()?;
        // Looked up before the work of hashing: a made-up token costs next to nothing.
        let subject = self.store.reset_subject(&token_hash, self.clock.now()).await?.map_err(worthless)?;
        let names =
            Names { username: &subject.user.username, display_name: &subject.user.display_name, email: &subject.email };
        new.refuse_names(&names).map_err(weak)?;
        let new_hash = self.passwords.hash(place, new).await?;
        let logins = [Login::Email(subject.email), Login::Username(subject.user.username)];
        let throttle_keys = logins.map(|login| login.throttle_key(pepper).to_vec());
        let occasion = self.occasion(address);
        match self.store.reset_password(&token_hash, &new_hash, &throttle_keys, &occasion).await? {
            ResetOutcome::Done(ended) => {
                self.mail_queued.notify_one();
                self.announce(ended).await;
                Ok(())
            }
            ResetOutcome::Not(claim) => Err(worthless(claim)),
        }
    }
}

fn worthless(claim: ResetClaim) -> Error {
    match claim {
        ResetClaim::Expired => Error::ResetTokenExpired,
        ResetClaim::Unknown | ResetClaim::Valid => Error::ResetTokenInvalid,
    }
}
