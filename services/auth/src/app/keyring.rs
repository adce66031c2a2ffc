use std::time::Duration;

use godwit_kernel::{Clock, Entropy};
use time::OffsetDateTime;

use crate::Error;
use crate::domain::{Pepper, Seal, SealError, SigningKey, TokenKey};
use crate::store::{Store, StoredSecret};

const PEPPER: &str = "pepper";
/// A database that is down when the process starts is waited for this long: nothing can be signed without it.
const DATABASE_TRIES: u32 = 60;
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// The service's own secrets: made at the first start, the same for all replicas.
pub struct Keyring {
    pepper: Pepper,
    signing_key: SigningKey,
    /// All keys that verify, the signing one first.
    public_keys: Vec<TokenKey>,
}

/// Seals secrets on their way into the database and opens them on their way out.
pub struct SecretKeeper<'a> {
    /// `None`: secrets are stored open.
    pub seal: Option<&'a Seal>,
    /// For nonces and new secrets.
    pub entropy: &'a dyn Entropy,
}

impl Keyring {
    /// Reads the secrets, and makes those that are missing.
    ///
    /// # Errors
    /// When the database is not there for a minute, or holds secrets that were sealed with another secret than the keeper's.
    pub async fn open(store: &Store, keeper: &SecretKeeper<'_>, clock: &dyn Clock) -> Result<Self, Error> {
        let mut tries = 1;
        loop {
            match Self::try_open(store, keeper, clock.now()).await {
                Err(Error::Database(error)) if error.is_unavailable() && tries < DATABASE_TRIES => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "waiting for the database");
                    tries += 1;
                    tokio::time::sleep(DATABASE_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    async fn try_open(store: &Store, keeper: &SecretKeeper<'_>, now: OffsetDateTime) -> Result<Self, Error> {
        let pepper = open_pepper(store, keeper, now).await?;
        let keys = open_token_keys(store, keeper, now).await?;
        let public_keys = keys.iter().map(|key| key.public().clone()).collect();
        let signing_key = keys.into_iter().next().ok_or(SealError::Foreign { name: "token key".to_owned() })?;
        Ok(Self { pepper, signing_key, public_keys })
    }

    /// What keys the hashes of codes, logins and refresh tokens.
    pub fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// What signs.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing_key
    }

    /// What verifies.
    pub fn public_keys(&self) -> &[TokenKey] {
        &self.public_keys
    }
}

async fn open_pepper(store: &Store, keeper: &SecretKeeper<'_>, now: OffsetDateTime) -> Result<Pepper, Error> {
    let candidate = keeper.lock_up(PEPPER, &keeper.entropy.bytes::<{ Pepper::BYTES }>())?;
    let stored = store.secret(&candidate, now).await?;
    let pepper = keeper.take_out(&stored)?;
    if !stored.is_sealed && keeper.seal.is_some() {
        store.seal_secret(&keeper.lock_up(PEPPER, &pepper)?).await?;
    }
    Ok(Pepper::new(&pepper))
}

async fn open_token_keys(
    store: &Store,
    keeper: &SecretKeeper<'_>,
    now: OffsetDateTime,
) -> Result<Vec<SigningKey>, Error> {
    let fresh = SigningKey::generate()?;
    let candidate = keeper.lock_up(&fresh.public().id, fresh.secret_bytes())?;
    let mut keys = Vec::new();
    for stored in store.token_keys(&candidate, now).await? {
        let key = SigningKey::from_bytes(&keeper.take_out(&stored)?)?;
        if !stored.is_sealed && keeper.seal.is_some() {
            store.seal_token_key(&keeper.lock_up(&stored.name, key.secret_bytes())?).await?;
        }
        keys.push(key);
    }
    Ok(keys)
}

impl SecretKeeper<'_> {
    fn lock_up(&self, name: &str, secret: &[u8]) -> Result<StoredSecret, SealError> {
        let bytes = match self.seal {
            Some(seal) => seal.seal(name, secret, self.entropy)?,
            None => secret.to_vec(),
        };
        Ok(StoredSecret { name: name.to_owned(), bytes, is_sealed: self.seal.is_some() })
    }

    fn take_out(&self, stored: &StoredSecret) -> Result<Vec<u8>, SealError> {
        match (stored.is_sealed, self.seal) {
            (false, _) => Ok(stored.bytes.clone()),
            (true, Some(seal)) => seal.open(&stored.name, &stored.bytes),
            (true, None) => Err(SealError::Foreign { name: stored.name.clone() }),
        }
    }
}
