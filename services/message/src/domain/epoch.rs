use std::fmt;
use std::sync::Arc;

use godwit_kernel::Entropy;

/// A random name of one incarnation of a chat's log; another one tells clients to load the chat again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// A new name: 16 characters of `0-9a-f`.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(format!("{:016x}", u64::from_le_bytes(entropy.bytes())).into())
    }

    /// A name that was stored.
    pub fn from_store(name: String) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
