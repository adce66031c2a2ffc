use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use godwit_kernel::{ChatId, Clock, Entropy, EventId, InvalidId, UserId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::info::{Problem, label};

/// The most folders of one person.
pub const FOLDERS_MAX: usize = 20;
/// The most chats of one folder.
pub const FOLDER_CHATS_MAX: usize = 200;

/// A folder of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderId(Uuid);

impl FolderId {
    /// A new one.
    pub fn generate(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        Self(EventId::generate(clock, entropy).as_uuid())
    }

    /// The one that a person makes under an idempotency key, whenever they ask (RFC 9562, section 5.8).
    pub fn of_key(user_id: UserId, key: &str) -> Self {
        let digest = Sha256::new().chain_update(user_id.as_uuid()).chain_update(key).finalize();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(byte, digit)| *byte = digit);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// As it was stored.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// As it is stored.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for FolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for FolderId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<EventId>().map(|id| Self(id.as_uuid()))
    }
}

/// A named selection of one person's chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its id.
    pub id: FolderId,
    /// What it is called.
    pub title: String,
    /// In their order.
    pub chat_ids: Vec<ChatId>,
}

/// The title of a folder: 1 to 64 characters.
///
/// # Errors
/// What is wrong with it.
pub fn folder_title(text: &str) -> Result<String, Problem> {
    label(text, 64, "must have 1 to 64 characters")
}

/// Checks the chats of a folder.
///
/// # Errors
/// What is wrong with them.
pub fn check_folder_chats(chat_ids: &[ChatId]) -> Result<(), Problem> {
    if chat_ids.len() > FOLDER_CHATS_MAX {
        return Err("must be at most 200");
    }
    if chat_ids.iter().collect::<BTreeSet<_>>().len() < chat_ids.len() {
        return Err("must not name a chat twice");
    }
    Ok(())
}
