use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::{Clock, Entropy};
use parking_lot::RwLock;
use time::OffsetDateTime;

use crate::Error;
use crate::domain::{AccessClaims, KeyPlan, KeyRule, KeyTimes, Pepper, Seal, SealError, SigningKey, TokenKey};
use crate::store::{Store, StoredSecret};

const PEPPER: &str = "pepper";
/// A database that is down when the process starts is waited for this long: nothing can be signed without it.
const DATABASE_TRIES: u32 = 60;
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// The service's own secrets: made at the first start, the same for all replicas. Signing keys take turns.
pub struct Keyring {
    store: Store,
    keeper: SecretKeeper,
    rule: KeyRule,
    pepper: Pepper,
    /// As the table had them when it was read last.
    keys: RwLock<Arc<[TokenKeyPair]>>,
}

/// A key and its time.
struct TokenKeyPair {
    key: SigningKey,
    times: KeyTimes,
}

/// Seals secrets on their way into the database and opens them on their way out.
pub struct SecretKeeper {
    /// `None`: secrets are stored open.
    pub seal: Option<Seal>,
    /// For nonces and new secrets.
    pub entropy: Arc<dyn Entropy>,
}

impl Keyring {
    /// Reads the secrets, and makes those that are missing or due.
    ///
    /// # Errors
    /// When the database is not there for a minute, or holds secrets that were sealed with another secret than the keeper's.
    pub async fn open(store: Store, keeper: SecretKeeper, rule: KeyRule, clock: &dyn Clock) -> Result<Self, Error> {
        let mut tries = 1;
        let pepper = loop {
            match open_pepper(&store, &keeper, clock.now()).await {
                Err(Error::Database(error)) if error.is_unavailable() && tries < DATABASE_TRIES => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "waiting for the database");
                    tries += 1;
                    tokio::time::sleep(DATABASE_PAUSE).await;
                }
                result => break result?,
            }
        };
        let keyring = Self { store, keeper, rule, pepper, keys: RwLock::new(Arc::new([])) };
        keyring.turn(clock.now()).await?;
        Ok(keyring)
    }

    /// Makes a new signing key when one is due, lets go of those that are over, and reads what other replicas made.
    ///
    /// # Errors
    /// When the database does not answer, or a key does not open.
    pub async fn turn(&self, now: OffsetDateTime) -> Result<(), Error> {
        let mut stored = self.store.token_keys().await?;
        let times: Vec<KeyTimes> = stored.iter().map(|key| key.times.clone()).collect();
        if !KeyPlan::of(&times, self.rule, now).is_empty() {
            let fresh = SigningKey::generate()?;
            let candidate = self.keeper.lock_up(&fresh.public().id, fresh.secret_bytes())?;
            if self.store.rotate_token_keys(&candidate, self.rule, now).await? {
                metrics::counter!("godwit_auth_key_rotations_total").increment(1);
                tracing::info!(key.id = %fresh.public().id, "there is a new token key");
            }
            stored = self.store.token_keys().await?;
        }
        let mut keys = Vec::with_capacity(stored.len());
        for stored in stored {
            let key = SigningKey::from_bytes(&self.keeper.take_out(&stored.secret)?)?;
            if !stored.secret.is_sealed && self.keeper.seal.is_some() {
                self.store.seal_token_key(&self.keeper.lock_up(&stored.secret.name, key.secret_bytes())?).await?;
            }
            keys.push(TokenKeyPair { key, times: stored.times });
        }
        *self.keys.write() = keys.into();
        Ok(())
    }

    /// What keys the hashes of codes, logins and tokens.
    pub fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// What seals secrets of persons.
    pub fn keeper(&self) -> &SecretKeeper {
        &self.keeper
    }

    /// A token signed by the key whose turn it is.
    ///
    /// # Errors
    /// When there is no key, or the library refuses.
    pub fn sign(&self, claims: &AccessClaims, now: OffsetDateTime) -> Result<String, Error> {
        let keys = Arc::clone(&self.keys.read());
        let signing = signing(&keys, now).ok_or(SealError::Foreign { name: "token key".to_owned() })?;
        Ok(signing.key.sign(claims)?)
    }

    /// What verifies: the key that signs first.
    pub fn public_keys(&self, now: OffsetDateTime) -> Vec<TokenKey> {
        let keys = Arc::clone(&self.keys.read());
        let signing = signing(&keys, now).map(|pair| pair.times.id.as_str());
        let mut public: Vec<TokenKey> = keys.iter().map(|pair| pair.key.public().clone()).collect();
        public.sort_by_key(|key| Some(key.id.as_str()) != signing);
        public
    }
}

/// The newest of those that may sign; the oldest when none may yet, by a clock that went back.
fn signing(keys: &[TokenKeyPair], now: OffsetDateTime) -> Option<&TokenKeyPair> {
    let ready = keys.iter().filter(|pair| pair.times.signs_from <= now).max_by_key(|pair| pair.times.signs_from);
    ready.or_else(|| keys.iter().min_by_key(|pair| pair.times.signs_from))
}

async fn open_pepper(store: &Store, keeper: &SecretKeeper, now: OffsetDateTime) -> Result<Pepper, Error> {
    let candidate = keeper.lock_up(PEPPER, &keeper.entropy.bytes::<{ Pepper::BYTES }>())?;
    let stored = store.secret(&candidate, now).await?;
    let pepper = keeper.take_out(&stored)?;
    if !stored.is_sealed && keeper.seal.is_some() {
        store.seal_secret(&keeper.lock_up(PEPPER, &pepper)?).await?;
    }
    Ok(Pepper::new(&pepper))
}

impl SecretKeeper {
    /// A secret on its way into the database.
    ///
    /// # Errors
    /// When the cipher refuses.
    pub fn lock_up(&self, name: &str, secret: &[u8]) -> Result<StoredSecret, SealError> {
        let bytes = match &self.seal {
            Some(seal) => seal.seal(name, secret, &*self.entropy)?,
            None => secret.to_vec(),
        };
        Ok(StoredSecret { name: name.to_owned(), bytes, is_sealed: self.seal.is_some() })
    }

    /// A secret on its way out.
    ///
    /// # Errors
    /// When it was sealed with another secret.
    pub fn take_out(&self, stored: &StoredSecret) -> Result<Vec<u8>, SealError> {
        match (stored.is_sealed, &self.seal) {
            (false, _) => Ok(stored.bytes.clone()),
            (true, Some(seal)) => seal.open(&stored.name, &stored.bytes),
            (true, None) => Err(SealError::Foreign { name: stored.name.clone() }),
        }
    }
}
