use godwit_kernel::{ChatId, MessageId, UserId};

use super::{ChatKind, ClientMessageId, Extras, ForwardOrigin, Message, PostingPolicy, Violation};

/// Messages of one forward.
pub const FORWARDED_MAX: usize = 100;
/// Chats of one forward.
pub const FORWARD_TARGETS_MAX: usize = 20;
/// The copies of one forward together.
pub const FORWARD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Characters of a forward's id.
const FORWARD_ID_BYTES: usize = 40;

/// What a client calls a forward, so that a repeat is known: 1 to 40 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientForwardId(String);

impl ClientForwardId {
    /// The id, if it is one.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(text: String) -> Result<Self, Violation> {
        if text.is_empty() || text.len() > FORWARD_ID_BYTES {
            return Err(Violation("must have 1 to 40 characters"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            return Err(Violation("must consist of A-Z a-z 0-9 _ -"));
        }
        Ok(Self(text))
    }

    /// What the copy of the message at this place is called in each chat.
    pub fn client_message_id(&self, place: usize) -> ClientMessageId {
        ClientMessageId::from_store(format!("forward-{}-{place}", self.0))
    }
}

/// A message to forward, as its copies will say it.
#[derive(Clone)]
pub struct Source {
    /// The message.
    pub message: Message,
    /// Where its copies come from.
    pub origin: ForwardOrigin,
}

impl Source {
    /// A message that is read in a chat with this policy. The origin is that of the first, however often it was
    /// forwarded; a public channel stands for who wrote there, and a private one is not named.
    pub fn of(message: Message, policy: &PostingPolicy) -> Self {
        let earlier = message.extras.as_ref().and_then(|extras| extras.forwarded_from.clone());
        let origin = earlier.unwrap_or_else(|| {
            let is_channel = policy.kind == ChatKind::Channel;
            let is_named = is_channel && policy.is_public;
            ForwardOrigin {
                sender_id: (!is_channel).then_some(message.sender_id),
                chat_id: is_named.then_some(message.chat_id),
                message_id: is_named.then(|| message.id()),
                sent_at: message.sent_at,
            }
        });
        Self { message, origin }
    }

    /// Whose name the copies bear, if they may.
    pub const fn named(&self) -> Option<UserId> {
        self.origin.sender_id
    }

    /// Leaves the name away.
    pub fn hide_sender(&mut self) {
        self.origin.sender_id = None;
    }

    /// What a copy has besides its text: no reply, for what it answers is elsewhere; the preview of its link is read anew.
    pub fn extras(&self, is_silent: bool) -> Extras {
        let own = self.message.extras.as_deref().cloned().unwrap_or_default();
        Extras {
            entities: own.entities,
            attachments: own.attachments,
            reply_to: None,
            forwarded_from: Some(self.origin.clone()),
            is_silent,
            link_preview: None,
        }
    }

    /// What a copy takes in memory, roughly.
    pub fn size_bytes(&self) -> usize {
        self.message.text.as_str().len() + self.message.extras.as_ref().map_or(0, |extras| extras.size_bytes()) + 512
    }

    /// The message that is copied: with it a repeat of the same forward is told from another one.
    pub const fn id(&self) -> MessageId {
        MessageId { chat_id: self.message.chat_id, seq: self.message.seq }
    }
}

/// What somebody asks to have forwarded.
#[derive(Clone, Debug)]
pub struct Forward {
    /// At most 100, in the order of their copies.
    pub message_ids: Vec<MessageId>,
    /// At most 20.
    pub chat_ids: Vec<ChatId>,
    /// The client's name for it.
    pub client_forward_id: ClientForwardId,
    /// Recipients are not alerted.
    pub is_silent: bool,
}

#[cfg(test)]
mod tests {
    use godwit_kernel::Seq;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{MembershipVersion, MessageText, Posting, Reply, Rights};

    fn policy(kind: ChatKind, is_public: bool) -> PostingPolicy {
        PostingPolicy {
            posting: Posting::Allowed,
            version: MembershipVersion::default(),
            kind,
            rights: Rights::default(),
            slow_mode_secs: 0,
            member_count: 2,
            is_public,
        }
    }

    fn message(extras: Option<Extras>) -> Message {
        Message {
            chat_id: ChatId::from_uuid(Uuid::from_u128(1)),
            seq: Seq::new(2).unwrap(),
            sender_id: UserId::from_uuid(Uuid::from_u128(3)),
            client_message_id: ClientMessageId::from_store("c".to_owned()),
            text: MessageText::from_store("hello".to_owned()),
            sent_at: OffsetDateTime::UNIX_EPOCH,
            extras: extras.map(Box::new),
            edit: None,
            reactions: Vec::new(),
            my_reaction: None,
            is_deleted: false,
        }
    }

    #[test]
    fn a_message_of_people_names_its_sender_and_one_of_a_public_channel_the_channel() {
        let source = |kind, is_public| Source::of(message(None), &policy(kind, is_public)).origin;
        let message = message(None);
        for kind in [ChatKind::Direct, ChatKind::Group, ChatKind::Saved] {
            let origin = source(kind, true);
            assert_eq!((origin.sender_id, origin.chat_id, origin.message_id), (Some(message.sender_id), None, None));
        }
        let public = source(ChatKind::Channel, true);
        let named = (None, Some(message.chat_id), Some(message.id()));
        assert_eq!((public.sender_id, public.chat_id, public.message_id), named);
        let private = source(ChatKind::Channel, false);
        assert_eq!((private.sender_id, private.chat_id, private.message_id), (None, None, None));
    }

    #[test]
    fn the_origin_of_the_first_stays_and_what_is_of_its_chat_goes() {
        let first = Source::of(message(None), &policy(ChatKind::Channel, true));
        let reply = Reply::to(message(None).id(), message(None).sender_id, "what it answers");
        let extras = Extras { reply_to: Some(reply), ..first.extras(true) };
        let second = Source::of(message(Some(extras)), &policy(ChatKind::Direct, false));
        assert_eq!(second.origin, first.origin);
        assert_eq!(second.extras(false), first.extras(false));
    }

    #[test]
    fn copies_have_names_of_their_own() {
        let forward = ClientForwardId::parse("x".repeat(40)).unwrap();
        for place in [0, 99] {
            let name = forward.client_message_id(place);
            assert_eq!(ClientMessageId::parse(name.as_str().to_owned()).unwrap(), name);
        }
        for text in ["", "a b", "é", &"x".repeat(41)] {
            assert!(ClientForwardId::parse(text.to_owned()).is_err(), "{text}");
        }
    }
}
