//! Who a client is: access tokens, the keys that verify them, and the sessions that ended early.

mod keys;
mod revocations;
mod token;

use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::Clock;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::clients::Services;

use keys::KeyRing;
pub use revocations::Revocations;
pub use token::Identity;

/// Verified tokens that are remembered: about 200 bytes each.
const VERIFIED_MAX: u64 = 100_000;
/// Longer than a token lives.
const VERIFIED_TTL: Duration = Duration::from_secs(20 * 60);

/// Verifies access tokens without asking anybody, once a token: verifying costs 0.3 ms, remembering a hash.
pub struct Authenticator {
    keys: KeyRing,
    revocations: Arc<Revocations>,
    verified: Cache<[u8; 32], Identity>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// An authenticator that knows no keys yet.
    pub fn new(services: Services, revocations: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        let verified = Cache::builder().max_capacity(VERIFIED_MAX).time_to_live(VERIFIED_TTL).build();
        Self { keys: KeyRing::new(services), revocations, verified, clock }
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// When it is nobody's, its time is over or its session has ended; [`Error::KeysUnavailable`] when that cannot be
    /// told.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let identity = match self.verified.get(&hash) {
            Some(identity) => identity,
            None => {
                let untrusted = token::parse(token)?;
                let key = self.keys.get(&token::key_id(&untrusted)?).await?;
                let identity = token::verify(&key, &untrusted, self.clock.now())?;
                self.verified.insert(hash, identity);
                identity
            }
        };
        identity.check_life(self.clock.now())?;
        if self.revocations.has(identity.caller.session_id) {
            return Err(Error::SessionRevoked);
        }
        Ok(identity)
    }

    /// Fetches the keys anew, so that those that were withdrawn are forgotten. Keeps what it has when that fails; tells
    /// whether it succeeded.
    pub async fn refresh_keys(&self) -> bool {
        self.keys.refresh().await
    }
}
