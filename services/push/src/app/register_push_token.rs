use godwit_rpc::{Caller, InvalidField};

use super::App;
use crate::domain::{Provider, Purpose, PushToken};
use crate::error::Error;
use crate::store;

/// What an app was given by its system.
pub struct RegisterPushToken {
    /// The device that registers.
    pub caller: Caller,
    /// Whose token it is.
    pub provider: Provider,
    /// What for.
    pub purpose: Purpose,
    /// The token.
    pub token: String,
}

impl App {
    /// Makes this the token of the caller's device.
    ///
    /// # Errors
    /// [`Error::Invalid`], or the database's.
    #[tracing::instrument(name = "push.register_push_token", skip_all, err(level = "debug"))]
    pub async fn register_push_token(&self, asked: RegisterPushToken) -> Result<(), Error> {
        let RegisterPushToken { caller, provider, purpose, token } = asked;
        if self.push.of(provider).is_none() {
            return Err(InvalidField::new("provider", "is not one that this server has an account with").into());
        }
        let parsed = match provider {
            Provider::Apns => PushToken::parse_apns(&token),
            Provider::Fcm | Provider::Web => PushToken::parse_fcm(&token),
        };
        let text = parsed.map_err(|violation| InvalidField::new("token", violation.0))?;
        let (device_id, user_id, session_id) = (caller.device_id, caller.user_id, caller.session_id);
        let token = PushToken { device_id, user_id, session_id, provider, purpose, text };
        let mut conn = self.pool.get().await?;
        store::register_token(&mut conn, &token, self.clock.now()).await?;
        metrics::counter!("godwit_push_addresses_total", "change" => "registered").increment(1);
        Ok(())
    }
}
