use godwit_rpc::Caller;

use super::{App, Fields, count};
use crate::Error;
use crate::domain::{ClientAddress, Names, Password};
use crate::store::PasswordChange;

/// Where the contract has the password that is to be set.
const FIELD: &str = "new_password";

impl App {
    /// Sets another password and ends the caller's other sessions.
    #[tracing::instrument(name = "auth.change_password", skip_all)]
    pub async fn change_password(
        &self,
        caller: Caller,
        current: String,
        new: String,
        address: Option<ClientAddress>,
    ) -> Result<(), Error> {
        let result = self.try_change_password(caller, current, new, address).await;
        count("godwit_auth_password_changes_total", &result);
        result
    }

    async fn try_change_password(
        &self,
        caller: Caller,
        current: String,
        new: String,
        address: Option<ClientAddress>,
    ) -> Result<(), Error> {
        let mut fields = Fields::default();
        let current = fields.read("current_password", Password::attempt(current));
        let new = fields.read(FIELD, Password::parse(new));
        let (Some(current), Some(new)) = (current, new) else { return Err(fields.refuse()) };
        let weak = |problem| Error::WeakPassword { field: FIELD, problem };
        new.refuse_common().map_err(weak)?;
        let places = (self.passwords.reserve()?, self.passwords.reserve()?);
        let own = self.prove_own_password(caller.user_id, current, places.0).await?;
        let names = Names { username: &own.user.username, display_name: &own.user.display_name, email: &own.email };
        new.refuse_names(&names).map_err(weak)?;
        let new_hash = self.passwords.hash(places.1, new).await?;
        let occasion = self.occasion(address);
        let change = PasswordChange {
            user_id: caller.user_id,
            old_hash: &own.password_hash,
            new_hash: &new_hash,
            session_id: caller.session_id,
        };
        let ended = self.store.change_password(&change, &occasion).await?.ok_or(Error::PasswordWrong)?;
        self.mail_queued.notify_one();
        self.announce(ended).await;
        Ok(())
    }
}
