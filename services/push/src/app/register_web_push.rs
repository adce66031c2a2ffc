use godwit_rpc::{Caller, InvalidField};

use super::App;
use crate::domain::{Keys, Subscription, Violation};
use crate::error::Error;
use crate::store;

/// What a browser's `PushSubscription` tells.
pub struct RegisterWebPush {
    /// The device that registers.
    pub caller: Caller,
    /// Where its push service takes notifications.
    pub endpoint: String,
    /// The device's public key in base64url.
    pub p256dh: String,
    /// The authentication secret in base64url.
    pub auth: String,
}

impl App {
    /// Makes this the subscription of the caller's device.
    ///
    /// # Errors
    /// [`Error::Invalid`], or the database's.
    #[tracing::instrument(name = "push.register_web_push", skip_all, err(level = "debug"))]
    pub async fn register_web_push(&self, asked: RegisterWebPush) -> Result<(), Error> {
        let keys = Keys {
            p256dh: Keys::parse_p256dh(&asked.p256dh).map_err(|violation| invalid("p256dh", violation))?,
            auth: Keys::parse_auth(&asked.auth).map_err(|violation| invalid("auth", violation))?,
        };
        let endpoint =
            self.push.web.admit(&asked.endpoint).await.map_err(|violation| invalid("endpoint", violation))?;
        let Caller { user_id, session_id, device_id } = asked.caller;
        let subscription = Subscription { device_id, user_id, session_id, endpoint, keys };
        let mut conn = self.pool.get().await?;
        store::register(&mut conn, &subscription, self.clock.now()).await?;
        metrics::counter!("godwit_push_addresses_total", "change" => "registered").increment(1);
        Ok(())
    }
}

fn invalid(field: &'static str, violation: Violation) -> Error {
    Error::Invalid(InvalidField::new(field, violation.0))
}
