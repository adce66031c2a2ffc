use std::fmt;

use godwit_kernel::{ChatId, MediaId, MessageId, UserId};
use time::OffsetDateTime;

use super::{Entity, limits};

/// What a message has besides its text. A plain text has none of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// At most 100, by offset.
    pub entities: Vec<Entity>,
    /// At most 10.
    pub attachments: Vec<Attachment>,
    /// What the message answers.
    pub reply_to: Option<Reply>,
    /// Where it was forwarded from.
    pub forwarded_from: Option<ForwardOrigin>,
    /// Recipients are not alerted.
    pub is_silent: bool,
    /// What the page behind its first link says of itself.
    pub link_preview: Option<LinkPreview>,
}

impl Extras {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What they take in memory, roughly.
    pub fn size_bytes(&self) -> usize {
        let preview = self.link_preview.as_ref().map_or(0, LinkPreview::size_bytes);
        let reply = self.reply_to.as_ref().map_or(0, |reply| reply.snippet.len() + 64);
        let entities: usize = self.entities.iter().map(Entity::size_bytes).sum();
        entities + self.attachments.len() * 512 + reply + preview + 64
    }

    /// Forgets what a reply says of a message that is deleted.
    pub fn forget_snippet(&mut self) {
        if let Some(reply) = &mut self.reply_to {
            reply.snippet.clear();
            reply.is_deleted = true;
        }
    }
}

/// Tells how much there is, and nothing of it.
impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extras")
            .field("entities", &self.entities.len())
            .field("attachments", &self.attachments.len())
            .field("reply_to", &self.reply_to.as_ref().map(|reply| reply.message_id))
            .field("is_forwarded", &self.forwarded_from.is_some())
            .field("is_silent", &self.is_silent)
            .field("has_link_preview", &self.link_preview.is_some())
            .finish()
    }
}

/// A file that is sent with a message, as it was when it was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Where it is.
    pub media_id: MediaId,
    /// As its sender named it.
    pub file_name: String,
    /// As it was found to be.
    pub content_type: String,
    /// How large it is.
    pub size_bytes: u64,
    /// What it is to people.
    pub kind: AttachmentKind,
    /// For clients to lay it out before they fetch it.
    pub look: AttachmentLook,
}

/// What an attachment is to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttachmentKind {
    /// Sent before kinds were kept.
    #[default]
    Unknown,
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A short film that is shown round.
    VideoNote,
    /// What somebody said.
    Voice,
    /// Music and other recordings.
    Audio,
    /// Any file.
    Document,
}

/// How an attachment looks and sounds, as media found it. Empty for what is only saved.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AttachmentLook {
    /// In pixels; 0 for what is not seen.
    pub width: u32,
    /// In pixels; 0 for what is not seen.
    pub height: u32,
    /// How long it plays; 0 when that is not known.
    pub duration_ms: u64,
    /// A blurred preview.
    pub blurhash: String,
    /// How loud it is where.
    pub waveform: Vec<u8>,
    /// There are small pictures of it.
    pub has_thumbnails: bool,
}

/// What a message answers.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The message.
    pub message_id: MessageId,
    /// Who sent it.
    pub sender_id: UserId,
    /// The first 200 characters of its text when it was answered; empty once it is deleted, and where it is older than what some
    /// members may see.
    pub snippet: String,
    /// It is deleted.
    pub is_deleted: bool,
}

impl Reply {
    /// An answer to a message with this text.
    pub fn to(message_id: MessageId, sender_id: UserId, text: &str) -> Self {
        let snippet = text.chars().take(limits::REPLY_SNIPPET_CHARS).collect();
        Self { message_id, sender_id, snippet, is_deleted: false }
    }
}

/// Where a forwarded message comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardOrigin {
    /// `None` when their privacy says so.
    pub sender_id: Option<UserId>,
    /// Of a public channel.
    pub chat_id: Option<ChatId>,
    /// In a public channel.
    pub message_id: Option<MessageId>,
    /// When the first one was sent.
    pub sent_at: OffsetDateTime,
}

/// What a page says of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkPreview {
    /// Which page.
    pub url: String,
    /// At most 300 characters.
    pub title: String,
    /// At most 600 characters.
    pub description: String,
    /// At most 100 characters.
    pub site_name: String,
}

impl LinkPreview {
    /// What it takes in memory, roughly.
    pub const fn size_bytes(&self) -> usize {
        self.url.len() + self.title.len() + self.description.len() + self.site_name.len()
    }
}

/// Tells nothing of the page.
impl fmt::Debug for LinkPreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkPreview").finish_non_exhaustive()
    }
}
