use std::time::Duration;

use godwit_contract::auth::v1::TokenKey;
use godwit_kernel::Clock;
use godwit_rpc::Caller;
use pasetors::footer::Footer;
use pasetors::keys::{AsymmetricKeyPair, Generate};
use pasetors::paserk::{FormatAsPaserk, Id};
use pasetors::version4::{PublicToken, V4};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

/// Makes tokens as the auth service does.
pub struct Signer(AsymmetricKeyPair<V4>);

impl Default for Signer {
    fn default() -> Self {
        Self(AsymmetricKeyPair::generate().unwrap())
    }
}

impl Signer {
    pub fn key(&self) -> TokenKey {
        let mut key = TokenKey::default();
        Id::from(&self.0.public).fmt(&mut key.id).unwrap();
        self.0.public.fmt(&mut key.paserk).unwrap();
        key
    }

    pub fn token(&self, caller: &Caller, clock: &dyn Clock, life: Duration) -> String {
        let at = |instant: time::OffsetDateTime| instant.format(&Rfc3339).unwrap();
        self.sign(&json!({
            "iss": "godwit", "aud": "godwit", "sub": caller.user_id.to_string(), "sid": caller.session_id.to_string(),
            "did": caller.device_id.to_string(), "iat": at(clock.now()), "nbf": at(clock.now()),
            "exp": at(clock.now() + life),
        }))
    }

    pub fn sign(&self, claims: &Value) -> String {
        let mut footer = Footer::new();
        footer.key_id(&Id::from(&self.0.public));
        let footer = footer.to_string().unwrap();
        PublicToken::sign(&self.0.secret, claims.to_string().as_bytes(), Some(footer.as_bytes()), None).unwrap()
    }
}
